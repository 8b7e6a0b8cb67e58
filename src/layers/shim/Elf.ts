/**
 * What a file says of itself in its ELF header: for which machine it is, what kind it is, and what it needs in order to
 * be started.
 *
 * Reads 64-bit little-endian files only, which is all that this package has; everything else is no such file. The file
 * may be any bytes: nothing is read outside of it.
 *
 * Sources: System V gABI 4.1 (ELF header, program header, dynamic section); e_machine of the x86-64 and AArch64 psABIs.
 *
 * @module
 */

export type Machine = "x64" | "arm64" | "other"

export interface Elf {
  /** As `process.arch` has it. */
  readonly machine: Machine
  /** `program`: ET_EXEC. `shared`: ET_DYN, a library or a position-independent program. */
  readonly kind: "program" | "shared" | "other"
  /** Has PT_INTERP: the kernel starts it through a dynamic loader. */
  readonly hasInterpreter: boolean
}

const headerBytes = 64
const programHeaderBytes = 56
const interpreterType = 3

const machines: Readonly<Record<number, Machine>> = { 62: "x64", 183: "arm64" }
const kinds: Readonly<Record<number, Elf["kind"]>> = { 2: "program", 3: "shared" }

/** Magic, ELFCLASS64, ELFDATA2LSB, EV_CURRENT. */
const identification = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]

/** Undefined: not a 64-bit little-endian ELF file, or cut off in its headers. */
export const read = (bytes: Uint8Array): Elf | undefined => {
  if (bytes.length < headerBytes || identification.some((byte, at) => bytes[at] !== byte)) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const table = view.getBigUint64(32, true)
  const entryBytes = view.getUint16(54, true)
  const entries = view.getUint16(56, true)
  if (entries > 0 && entryBytes < programHeaderBytes) return undefined
  if (table + BigInt(entries * entryBytes) > BigInt(bytes.length)) return undefined
  let hasInterpreter = false
  for (let entry = 0; entry < entries; entry++) {
    if (view.getUint32(Number(table) + entry * entryBytes, true) === interpreterType) hasInterpreter = true
  }
  return {
    machine: machines[view.getUint16(18, true)] ?? "other",
    kind: kinds[view.getUint16(16, true)] ?? "other",
    hasInterpreter
  }
}
