/** The person of calls behind which there is none: those of the platform itself, and of somebody who signs in. */
export const NOBODY = '00000000-0000-0000-0000-000000000000'
