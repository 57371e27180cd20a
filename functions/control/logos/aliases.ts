/** A person's own short names for nodes. */
import { z } from 'zod'
import { checkAlias, readAlias, STANDARD_ALIASES, type Aliases } from '../../../shared/agentese/alias.ts'
import { NODE_PATTERN, parseNode } from '../../../shared/agentese/path.ts'
import { route } from '../../../shared/contract/define-operation.ts'
import { findNode } from '../../../shared/contract/find-aspect.ts'
import type { Db } from '../../../shared/database/database.ts'
import { oneAtATime } from '../../../shared/database/one-at-a-time.ts'
import { Failure } from '../../../shared/failures.ts'

/** Aliases that one person may have. */
const MAX_ALIASES = 200

const Alias = z.strictObject({ alias: z.string(), target: z.string(), standard: z.boolean() })

export async function aliasesOf(db: Db, user: string): Promise<Aliases> {
  const rows = await db<{ alias: string; target: string }[]>`
    select alias, target from aliases where user_id = ${user} order by alias`
  return Object.fromEntries(rows.map(({ alias, target }) => [alias, target]))
}

export const aliasRoutes = {
  listAliases: route({
    route: 'GET /v1/agentese/aliases',
    summary: 'Your aliases and the standard ones',
    permission: 'agentese:read',
    scopes: ['alias:read'],
    needs: ['postgres'],
    input: z.strictObject({}),
    output: z.strictObject({ aliases: z.array(Alias) }),
    async handle(_input, { db, identity }) {
      const own = await aliasesOf(db, identity.user)
      const standard = Object.entries(STANDARD_ALIASES).filter(([alias]) => !Object.hasOwn(own, alias))
      return { aliases: [...describe(Object.entries(own), false), ...describe(standard, true)] }
    },
  }),

  putAlias: route({
    route: 'POST /v1/agentese/aliases',
    summary: 'Define an alias of your own, or change it',
    permission: 'agentese:invoke',
    scopes: ['alias:write'],
    needs: ['postgres', 'catalog'],
    input: z.strictObject({
      alias: z.string().max(64),
      target: z.string().max(200).meta({ pattern: NODE_PATTERN }),
    }),
    output: Alias,
    examples: [{ summary: 'A short name for a memory', input: { alias: 'notes', target: 'self.memory' } }],
    writes: true,
    async handle({ alias, target }, call) {
      const { db, identity, catalog } = call
      await oneAtATime(`aliases of ${identity.user}`, call)
      const own = await aliasesOf(db, identity.user)
      checkAlias(alias, target, own)
      const { context, holon } = parseNode(target)
      if (findNode(await catalog(), context, holon) === undefined) {
        throw new Failure(
          'NODE_NOT_REGISTERED',
          `Cannot define alias "${alias}": there is no node "${target}"`,
          {
            suggestion: 'GET /v1/agentese/discover lists every path',
          },
        )
      }
      if (!Object.hasOwn(own, alias) && Object.keys(own).length >= MAX_ALIASES) {
        throw new Failure(
          'STATE_CONFLICT',
          `Cannot define alias "${alias}": you have ${MAX_ALIASES} already`,
          {
            suggestion: 'Remove one first',
          },
        )
      }
      await db`
        insert into aliases (tenant_id, user_id, alias, target)
        values (${identity.tenant}, ${identity.user}, ${alias}, ${target})
        on conflict (tenant_id, user_id, alias) do update set target = excluded.target`
      return { alias, target, standard: false }
    },
  }),

  removeAlias: route({
    route: 'DELETE /v1/agentese/aliases/:alias',
    summary: 'Remove an alias of your own',
    permission: 'agentese:invoke',
    scopes: ['alias:delete'],
    needs: ['postgres'],
    input: z.strictObject({ alias: z.string().max(64) }),
    output: Alias,
    writes: true,
    async handle({ alias }, { db, identity }) {
      const [row] = await db<{ target: string }[]>`
        delete from aliases where user_id = ${identity.user} and alias = ${alias} returning target`
      if (row !== undefined) return { alias, target: row.target, standard: false }
      const target = readAlias(alias, await aliasesOf(db, identity.user))
      throw new Failure(
        'STATE_CONFLICT',
        `Cannot remove alias "${alias}": it is a standard one for "${target}"`,
        {
          suggestion: 'Define one of your own with that name: it goes before the standard one',
        },
      )
    },
  }),
}

function describe(aliases: readonly [string, string][], standard: boolean) {
  return aliases.map(([alias, target]) => ({ alias, target, standard }))
}
