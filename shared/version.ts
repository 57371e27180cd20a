/** The version of the platform, as it tells it: in its health and in its documents. */
export const VERSION = '0.1.0'
