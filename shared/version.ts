/** The version of the platform, in its health and in its documents. */
export const VERSION = '0.1.0'
