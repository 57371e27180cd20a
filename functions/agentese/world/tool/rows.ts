/** The rows of `world.tool`: tools, their secrets, and where they may go. */
import { similarPaths } from '../../../../shared/agentese/path.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { Failure } from '../../../../shared/failures.ts'
import type { ImportedRow } from './mcp/rows.ts'
import type { JsonSchema } from './schema.ts'
import { secretsIn } from './secrets.ts'
import { readTemplate } from './template.ts'

export interface ToolRow {
  name: string
  description: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  headers: Record<string, string>
  input_schema: JsonSchema
  output_schema: JsonSchema | null
  timeout_seconds: number
  /** Of a tool that comes from a server of MCP. */
  mcp: ImportedRow | null
}

/** All that a call of a tool needs to know, read before it. */
export interface Prepared {
  tool: ToolRow
  /** Origins that the tenant has allowed. */
  allow: readonly string[]
  /** By name, those that the headers refer to. */
  secrets: ReadonlyMap<string, string>
}

interface SecretRow {
  name: string
  sealed: Uint8Array
  origins: string[]
}

/** @throws Failure NOT_FOUND that names similar tools of this tenant */
export async function findTool(db: Db, name: string): Promise<ToolRow> {
  const [tool] = await db<ToolRow[]>`
    select t.*, to_jsonb(m) as mcp from tools t left join mcp_tools m on m.tool = t.name where t.name = ${name}`
  if (tool !== undefined) return tool
  const rows = await db<{ name: string }[]>`select name from tools order by name limit 1000`
  throw new Failure('NOT_FOUND', `Cannot find tool "${name}": there is no such tool`, {
    suggestion: 'world.tool.list names them',
    available: similarPaths(
      name,
      rows.map((row) => row.name),
    ),
  })
}

/**
 * What a call of the tool needs.
 *
 * @throws Failure NOT_FOUND, or STATE_CONFLICT where a secret is missing or may not go there
 */
export async function prepareTool(
  name: string,
  call: Pick<Call, 'db' | 'identity' | 'secretBox'>,
): Promise<Prepared> {
  const tool = await findTool(call.db, name)
  return { tool, ...(await readAccess(tool, call)) }
}

/**
 * Where the tenant lets its tools go, and the secrets that `headers` refer to.
 *
 * @throws Failure STATE_CONFLICT where a secret is missing or may not go there
 */
export async function readAccess(
  { name, url, headers }: Pick<ToolRow, 'name' | 'url' | 'headers'>,
  { db, identity, secretBox }: Pick<Call, 'db' | 'identity' | 'secretBox'>,
): Promise<Omit<Prepared, 'tool'>> {
  const origins = await db<{ origin: string }[]>`select origin from tool_origins`
  const wanted = secretsIn(headers)
  const rows = await db<SecretRow[]>`
    select name, sealed, origins from tool_secrets
    where name in (select jsonb_array_elements_text(${db.json(wanted)}))`
  const { origin } = readTemplate(url)
  const secrets = wanted.map((secret): [string, string] => {
    const row = rows.find((each) => each.name === secret)
    if (row === undefined || !row.origins.includes(origin)) throw notSent(name, secret, origin, row)
    return [secret, secretBox.open(identity.tenant, secret, row.sealed)]
  })
  return { allow: origins.map((each) => each.origin), secrets: new Map(secrets) }
}

function notSent(tool: string, secret: string, origin: string, row: SecretRow | undefined): Failure {
  const why = row === undefined ? 'is not stored' : `may not be sent to ${origin}`
  return new Failure('STATE_CONFLICT', `Cannot use tool "${tool}": secret "${secret}" ${why}`, {
    suggestion: 'An admin of your tenant stores it for its origins with world.tool.secret',
  })
}
