/** Why something cannot be read or written. */

/** Somebody else has changed the object, or made it, since it was read. */
export class Conflict extends Error {}

/** The API server, or admission, does not accept what was asked. */
export class Refused extends Error {}

/** No answer, or none that is of use, for longer than it is waited for. */
export class Unavailable extends Error {}
