/** Cookies that answers set; how they are written is for the HTTP edge. */

/** `session` is a credential. `sign-in` binds a sign-in to the browser that began it. */
export type CookieName = 'session' | 'sign-in'

/** A cookie that an answer sets; null removes it. */
export interface SetCookie {
  cookie: CookieName
  value: string | null
  maxAgeSeconds?: number
}
