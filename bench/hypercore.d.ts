/** What the benchmark uses of hypercore, which has no types of its own. */
declare module "hypercore" {
  export default class Hypercore {
    constructor(storage: string)
    ready(): Promise<void>
    append(blocks: ReadonlyArray<Uint8Array>): Promise<unknown>
    close(): Promise<void>
  }
}
