import { assert, describe, it } from "@effect/vitest"
import * as Schedule from "../../src/domain/Schedule.ts"

const { defaults } = Schedule
const next = (state: Schedule.State) => Schedule.next(state, defaults)

describe("Schedule", () => {
  it("an idle log is due for a tick after ten seconds", () => {
    assert.deepStrictEqual(next(Schedule.initial(500)), { action: "tick", at: 10_500 })
  })

  it("an entry is signed a second after it came, not after the last one", () => {
    const first = Schedule.appended(Schedule.initial(0), 1, 1, 100)
    const second = Schedule.appended(first, 1, 1, 900)
    assert.deepStrictEqual(next(second), { action: "sign", at: 1100 })
    assert.deepStrictEqual(next(Schedule.signing(second, true, 1000)), { action: "sign", at: 2000 })
    assert.deepStrictEqual(next(Schedule.signing(second, false, 1000)), { action: "tick", at: 10_900 })
  })

  it("an epoch with records ends after a minute, and one with ticks alone never does", () => {
    const active = Schedule.signing(Schedule.appended(Schedule.initial(0), 1, 1, 58_000), false, 58_000)
    let state = active
    let ticking = Schedule.initial(0)
    for (let now = 59_000; now <= 117_000; now += 1000) {
      state = Schedule.signing(Schedule.appended(state, 1, 0, now), false, now)
      ticking = Schedule.signing(Schedule.appended(ticking, 1, 0, now), false, now)
    }
    assert.deepStrictEqual(next(state), { action: "rotate", at: 118_000 })
    assert.deepStrictEqual(next(ticking), { action: "tick", at: 127_000 })
    assert.deepStrictEqual(next(Schedule.rotated(118_000)), { action: "tick", at: 128_000 })
  })

  it("leaves room for the log.key that ends an epoch", () => {
    assert.strictEqual(Schedule.roomInEpoch(Schedule.initial(0), defaults), 4095)
    assert.strictEqual(Schedule.roomInEpoch(Schedule.appended(Schedule.initial(0), 4095, 4095, 0), defaults), 0)
  })

  it("256 unsigned entries are signed at the commit", () => {
    assert.isFalse(Schedule.signAtCommit(255, defaults))
    assert.isTrue(Schedule.signAtCommit(256, defaults))
  })
})
