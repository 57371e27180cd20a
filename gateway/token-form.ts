/**
 * What a platform token looks like before its signature is checked, for both gateways: as regular expressions, which JavaScript
 * and nginx read alike. Kong's own plugin trusts the form: a `kid` that is no string, a header or payload that is no object
 * and a signature of another length each end in 500 there, so such a token must not reach it.
 */

/** The one group is the token. Authentication schemes know no case (RFC 9110, section 11.1). */
export const BEARER = String.raw`^\s*bearer\s+(\S+)\s*$`

/** Header and payload are the two groups. The signatures of EdDSA (Ed25519) and ES256 have 64 bytes each. */
export const TOKEN = String.raw`^([\w-]+)\.([\w-]+)\.[\w-]{86}$`

const STRING = String.raw`"[^"\\\x00-\x1f]{1,256}"`

/** An object of strings, as every JOSE header of ours is. */
export const TOKEN_HEADER = String.raw`^\s*\{(?:\s*${STRING}\s*:\s*${STRING}\s*(?:,|(?=\})))+\}\s*$`

/** The start of an object. */
export const TOKEN_PAYLOAD = String.raw`^\s*\{`

/** A `kid` among the claims, however it is spelled: Kong would prefer it to the header's. */
export const KID_CLAIM = String.raw`"(?:k|\\u006[bB])(?:i|\\u0069)(?:d|\\u0064)"\s*:`
