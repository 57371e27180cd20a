/**
 * Scopes narrow what a credential may touch: `entity:write` is one action on one resource, `*` stands for any. Each
 * declared effect of a call needs one. A credential that names none has what its permissions allow.
 */

const SCOPE = String.raw`(\*|[a-z][a-z0-9_]{0,63}):(\*|read|write|delete|charge|earn|call|emit|force|audit)`

const ONE = new RegExp(`^${SCOPE}$`)

export function isScope(text: string): boolean {
  return ONE.test(text)
}

/** Scopes with a space between each two, as OAuth writes them. */
export const SCOPES = new RegExp(`^${SCOPE}( ${SCOPE})*$`)

/** Those of `needed` that `held` does not cover. */
export function missingScopes(needed: readonly string[], held: readonly string[] | undefined): string[] {
  if (held === undefined) return []
  return needed.filter((scope) => !held.some((each) => covers(each, scope)))
}

function covers(held: string, needed: string): boolean {
  const [resource, action] = held.split(':')
  const [wantedResource, wantedAction] = needed.split(':')
  return (resource === '*' || resource === wantedResource) && (action === '*' || action === wantedAction)
}
