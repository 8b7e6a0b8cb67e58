/**
 * Name and version of this recorder, as it signs itself in logs.
 *
 * @module
 */

/** The package's version; a test holds it to package.json. */
export const version = "0.1.0"

/** The `tool` member of `log.open`. */
export const name = `agentops/${version}`
