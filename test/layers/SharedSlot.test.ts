import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Entry from "../../src/domain/Entry.ts"
import { SharedSlot } from "../../src/layers/SharedSlot.ts"

const hash = new Uint8Array(32).map((_, at) => at)

/** Both sides of one memory, as two threads have them. */
const pair = () => {
  const store = new SharedSlot()
  return { store, writer: new SharedSlot(store.memory) }
}

describe("SharedSlot", () => {
  it.prop(
    "carries any leaf that the format allows",
    [FastCheck.fullUnicodeString({ maxLength: 2000 }), FastCheck.maxSafeNat()],
    ([leaf, seq]) => {
      const { store, writer } = pair()
      const before = writer.wakes
      store.put({ seq, leaf, hash })
      assert.notStrictEqual(writer.wakes, before)
      const content = writer.content
      assert.deepStrictEqual([content?.seq, content?.leaf], [seq, leaf])
      assert.deepStrictEqual([...(content?.hash ?? [])], [...hash])
    }
  )

  it("holds the longest leaf, whatever its characters", () => {
    const { store, writer } = pair()
    for (const leaf of ["x".repeat(Entry.maxLeafBytes), "\u20ac".repeat(Entry.maxLeafBytes / 3)]) {
      store.put({ seq: 1, leaf, hash })
      assert.strictEqual(writer.content?.leaf, leaf)
      writer.answer()
      assert.isTrue(store.collect())
    }
  })

  it("is answered once, and only after the writer has stored the record", () => {
    const { store, writer } = pair()
    assert.isUndefined(writer.content)
    assert.isFalse(store.collect())
    store.put({ seq: 1, leaf: "{}", hash })
    assert.isFalse(store.collect())
    assert.isFalse(writer.answer(), "somebody watches: no message is needed")
    assert.isUndefined(writer.content)
    assert.isTrue(store.collect())
    assert.isFalse(store.collect())
  })

  it("asks for a message when nobody watches any more", () => {
    const { store, writer } = pair()
    store.put({ seq: 1, leaf: "{}", hash })
    assert.isFalse(store.rest())
    assert.strictEqual(writer.content?.seq, 1)
    assert.isTrue(writer.answer())
    assert.isTrue(store.collect())
  })

  it("gives an answer that comes while the watch ends to exactly one of both ways", () => {
    const { store, writer } = pair()
    store.put({ seq: 1, leaf: "{}", hash })
    assert.isFalse(writer.answer())
    assert.isTrue(store.rest())
    assert.isFalse(store.collect())
    assert.isFalse(store.rest())
  })
})
