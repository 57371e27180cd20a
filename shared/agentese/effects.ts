/** What effects ask of a caller. */

const ACTIONS: Record<string, string> = {
  reads: 'read',
  writes: 'write',
  deletes: 'delete',
  charges: 'charge',
  earns: 'charge',
  calls: 'call',
  emits: 'write',
  forces: 'force',
  audits: 'read',
}

/** The scopes that a call with these effects needs, such as `entity:write`; sorted, each once. */
export function scopesOf(effects: readonly string[]): string[] {
  const scopes = effects.map((effect) => {
    const [kind = '', resource = ''] = effect.split(':')
    return `${resource}:${ACTIONS[kind]}`
  })
  return [...new Set(scopes)].sort()
}
