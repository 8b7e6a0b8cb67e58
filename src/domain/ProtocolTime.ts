/**
 * The time in a message: a real instant in the one form that the format allows. Says what `Entry.isTime` says (a
 * property test holds them together), without making a Date for each of a million lines.
 *
 * @module
 */

/** Every day but the 29th of February; no leap seconds. */
const everyYear =
  /^\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/

const isLeap = (year: number): boolean => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)

/** `YYYY-MM-DDTHH:MM:SS.mmmZ`, Gregorian, years 0000 to 9999. */
export const isTime = (text: string): boolean =>
  everyYear.test(text) ||
  (text.slice(4, 10) === "-02-29" &&
    isLeap(Number(text.slice(0, 4))) &&
    everyYear.test(`${text.slice(0, 4)}-02-28${text.slice(10)}`))
