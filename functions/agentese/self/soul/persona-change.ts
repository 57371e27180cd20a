/** Changes of what a persona is besides its traits: the character's axes, and what occupies the person now. */
import type { Call } from '../../../../shared/contract/call.ts'
import { Failure } from '../../../../shared/failures.ts'
import type { Axis } from './persona.ts'
import { clamp, readPersona, type Persona, type Project } from './persona-rows.ts'

export const CONTEXT_PATHS = [
  'name',
  'roles',
  'current_focus',
  'recent_interests',
  'active_projects',
] as const
/** Entries of each list. */
const MAX_ENTRIES = 20

interface Change {
  operation: 'add' | 'modify' | 'remove'
  value: string | number | Project | undefined
}

/** Moves an axis for this person; removed, it is the default persona's again. */
export async function updateEigenvector(
  { axis, operation, value, confidence = 1 }: Change & { axis: Axis; confidence?: number | undefined },
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<void> {
  if (operation === 'remove') {
    await db`update personas set eigenvectors = eigenvectors - ${axis}::text, updated_at = now()
      where user_id = ${identity.user}`
    return
  }
  if (typeof value !== 'number') throw mismatch(axis, 'a number from 0 to 1')
  const set = { [axis]: { value: clamp(value), confidence: clamp(confidence) } }
  await db`
    insert into personas (tenant_id, user_id, eigenvectors) values (${identity.tenant}, ${identity.user}, ${db.json(set)})
    on conflict (tenant_id, user_id) do update
      set eigenvectors = personas.eigenvectors || excluded.eigenvectors, updated_at = now()`
}

/** Changes what occupies the person; of lists, the latest entries stay. */
export async function updateContext(
  change: Change & { path: (typeof CONTEXT_PATHS)[number] },
  call: Pick<Call, 'db' | 'identity'>,
): Promise<void> {
  const { db, identity } = call
  const persona = changed(await readPersona(call), change)
  const { name, roles, current_focus, recent_interests, active_projects } = persona
  await db`
    insert into personas (tenant_id, user_id, name, roles, current_focus, recent_interests, active_projects)
    values (${identity.tenant}, ${identity.user}, ${name}, ${db.json(roles)}, ${current_focus},
      ${db.json(recent_interests)}, ${db.json(active_projects)})
    on conflict (tenant_id, user_id) do update set name = excluded.name, roles = excluded.roles,
      current_focus = excluded.current_focus, recent_interests = excluded.recent_interests,
      active_projects = excluded.active_projects, updated_at = now()`
}

function changed(
  persona: Persona,
  { path, operation, value }: Change & { path: (typeof CONTEXT_PATHS)[number] },
): Persona {
  if (path === 'active_projects')
    return { ...persona, [path]: projectsAfter(persona.active_projects, operation, value) }
  if (path === 'name' || path === 'current_focus')
    return { ...persona, [path]: operation === 'remove' ? null : wordsOf(path, value) }
  const words = wordsOf(path, value)
  const others = persona[path].filter((each) => each !== words)
  return { ...persona, [path]: operation === 'remove' ? others : [words, ...others].slice(0, MAX_ENTRIES) }
}

function projectsAfter(
  projects: readonly Project[],
  operation: Change['operation'],
  value: Change['value'],
): Project[] {
  if (operation === 'remove') {
    const name = typeof value === 'object' ? value.name : value
    return projects.filter((each) => each.name !== name)
  }
  if (typeof value !== 'object') throw mismatch('active_projects', 'a project: {"name": "..."}')
  return [value, ...projects.filter((each) => each.name !== value.name)].slice(0, MAX_ENTRIES)
}

function wordsOf(path: string, value: Change['value']): string {
  if (typeof value === 'string') return value
  throw mismatch(path, 'text')
}

function mismatch(path: string, wanted: string): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot change "${path}": content.value must be ${wanted}`)
}
