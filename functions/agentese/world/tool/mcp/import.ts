/** Making tools of what a server of MCP has. */
import { z } from 'zod'
import { aspect } from '../../../../../shared/contract/define-node.ts'
import type { Call } from '../../../../../shared/contract/call.ts'
import { beginningOf } from '../../../../../shared/beginning.ts'
import { Failure } from '../../../../../shared/failures.ts'
import { takePlace } from '../../../../../shared/plans/holdings.ts'
import { toHeaders } from '../../../../../shared/egress/fenced-hop.ts'
import { createRedactor, checkNothingTold } from '../secrets.ts'
import { prepareServer, withoutSecretsOf } from './server.ts'
import { localName, readRemoteTool, type ReadTool } from './contract.ts'
import { pinAnew } from './rows.ts'
import { listRemoteTools, withServer } from './session.ts'

const MAX_HEADERS = 20
/** Tools of one import. */
const MAX_TOOLS = 100
const RemoteName = z.string().min(1).max(128)

/** Those that MCP itself has, and those that say what a body is. */
const TAKEN = /^(mcp-|accept$|content-)/i

const Input = z.strictObject({
  url: z
    .string()
    .max(2000)
    .regex(/^https?:\/\/[^\s\\{}#]+$/, 'is no URL of a server')
    .refine((text) => URL.canParse(text), 'is no URL of a server'),
  /** `{secret:NAME}` stands for a secret. */
  headers: z
    .record(z.string().min(1).max(60), z.string().max(1000))
    .refine((headers) => Object.keys(headers).length <= MAX_HEADERS, `are more than ${MAX_HEADERS}`)
    .refine(
      (headers) => !Object.keys(headers).some((name) => TAKEN.test(name)),
      'have one that the protocol sets',
    )
    .default({}),
  /** Names at the server; absent is all. */
  tools: z.array(RemoteName).min(1).max(MAX_TOOLS).optional(),
  /** Before each name here. */
  prefix: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,31}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')
    .optional(),
  timeout_seconds: z.int().min(1).max(20).default(10),
})
type Input = z.infer<typeof Input>

const Skipped = z.strictObject({ name: z.string(), reason: z.string() })
const Output = z.strictObject({
  server: z.strictObject({ name: z.string(), version: z.string(), protocol: z.string() }),
  imported: z.array(
    z.strictObject({ name: z.string(), remote: z.string(), description: z.string(), pin: z.string() }),
  ),
  skipped: z.array(Skipped),
})

interface Listed {
  server: z.infer<typeof Output>['server']
  tools: unknown[]
}

/** A tool with the name that it is to have here. */
interface Named extends ReadTool {
  local: string
}

export const importServer = aspect({
  category: 'G',
  archetypes: ['architect', 'developer', 'admin'],
  summary: 'Make tools of what a server of the Model Context Protocol has, as it says them now',
  effects: ['writes:tool', 'calls:tool', 'charges:tool_calls'],
  cost: () => ({ tool_calls: 1 }),
  transaction: false,
  needs: ['secrets', 'outside'],
  input: Input,
  output: Output,
  examples: [
    {
      summary: 'The tools of a server, by a key',
      input: { url: 'https://mcp.example.com/mcp', prefix: 'example_' },
      outside: true,
    },
  ],
  async handle(wanted, call) {
    toHeaders(wanted.headers)
    checkNothingTold(wanted.headers)
    const { server, tools } = await list(wanted, call)
    const { named, skipped } = choose(tools, wanted)
    const outcome = await call.transact('write', async (writing) => {
      const kept: Named[] = []
      for (const tool of named) {
        if (await keep(tool, wanted, server.protocol, writing)) kept.push(tool)
        else skipped.push({ name: tool.contract.name, reason: `there is another tool "${tool.local}" here` })
      }
      return kept
    })
    call.charge('tool_calls', 1)
    return { server, imported: outcome.map(viewOf), skipped }
  },
})

async function list(
  wanted: Input,
  call: Pick<Call, 'requestOutside' | 'signal'> & {
    transact: Parameters<typeof prepareServer>[1]['transact']
  },
): Promise<Listed> {
  const { server, secrets } = await prepareServer({ ...wanted, name: 'of the import' }, call)
  const redactor = createRedactor(secrets.values())
  return withoutSecretsOf(redactor, () =>
    withServer(server, call, async (session) => {
      const tools = await listRemoteTools(session, server, redactor)
      const { name = '', version = '' } = session.client.getServerVersion() ?? {}
      const shown = (text: string) => beginningOf(redactor.text(text), 100)
      return { tools, server: { name: shown(name), version: shown(version), protocol: session.protocol } }
    }),
  )
}

/** @throws Failure NOT_FOUND for a wanted tool that the server does not have, TYPE_MISMATCH where none can be taken */
function choose(tools: readonly unknown[], { tools: wanted, prefix = '' }: Input) {
  const names = new Map<string, number>()
  for (const tool of tools) {
    const { name } = (tool ?? {}) as { name?: unknown }
    if (typeof name === 'string') names.set(name, (names.get(name) ?? 0) + 1)
  }
  const missing = wanted?.find((name) => !names.has(name))
  if (missing !== undefined) throw notThere(missing, [...names.keys()])
  const skipped: z.infer<typeof Skipped>[] = []
  const read = tools
    .filter((tool) => wanted === undefined || wanted.includes((tool as { name: string } | null)?.name ?? ''))
    .flatMap((tool) => {
      const each = readRemoteTool(tool)
      if ('reason' in each) skipped.push(each)
      return 'reason' in each ? [] : [each]
    })
  const named = nameAll(read, prefix, names, skipped)
  if (named.length > MAX_TOOLS) throw tooMany(named.length)
  if (named.length > 0) return { named, skipped }
  throw new Failure('TYPE_MISMATCH', 'Cannot import: the server has no tool that can be taken', {
    details: { skipped: skipped.slice(0, 20) },
  })
}

/** Of tools whose names would be one and the same here, none is taken: which of them was meant, nobody knows. */
function nameAll(
  read: readonly ReadTool[],
  prefix: string,
  names: ReadonlyMap<string, number>,
  skipped: z.infer<typeof Skipped>[],
): Named[] {
  const locals = read.map(({ contract }) => localName(prefix, contract.name))
  return read.flatMap((tool, at) => {
    const { name } = tool.contract
    const local = locals[at]
    const isTwice = (names.get(name) ?? 0) > 1 || locals.filter((each) => each === local).length > 1
    if (local !== undefined && !isTwice) return [{ ...tool, local }]
    const reason =
      local === undefined ? 'no name can be made of it here' : `there are two that would be "${local}" here`
    skipped.push({ name, reason })
    return []
  })
}

/** Writes a tool down, or takes it anew where it was imported from there before; false where the name is another tool's. */
async function keep(
  { local, contract, pin, schema, description }: Named,
  { url, headers, timeout_seconds }: Input,
  protocol: string,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<boolean> {
  const made = await db`
    insert into tools (tenant_id, name, description, method, url, headers, input_schema, timeout_seconds, created_by)
    values (${identity.tenant}, ${local}, ${description}, 'POST', ${url}, ${db.json(headers)}, ${db.json(schema)},
            ${timeout_seconds}, ${identity.user})
    on conflict do nothing returning name`
  if (made.length === 0) {
    const [same] = await db`
      update tools t set headers = ${db.json(headers)}, timeout_seconds = ${timeout_seconds} from mcp_tools m
      where m.tool = t.name and t.name = ${local} and t.url = ${url} and m.remote = ${contract.name} returning t.name`
    if (same === undefined) return false
    await pinAnew(db, local, { contract, pin, schema, description }, protocol)
    return true
  }
  await takePlace(db, identity, 'tool')
  await db`
    insert into mcp_tools (tenant_id, tool, remote, pin, contract, protocol)
    values (${identity.tenant}, ${local}, ${contract.name}, ${pin}, ${JSON.stringify(contract)}::text::json, ${protocol})`
  return true
}

function viewOf({ local, contract, pin, description }: Named) {
  return { name: local, remote: contract.name, description, pin }
}

function notThere(name: string, there: readonly string[]): Failure {
  return new Failure('NOT_FOUND', `Cannot import "${name}": the server has no such tool`, {
    available: there.slice(0, 50).map((each) => beginningOf(each, 128)),
  })
}

function tooMany(count: number): Failure {
  return new Failure('TYPE_MISMATCH', `Cannot import ${count} tools: ${MAX_TOOLS} at once is the most`, {
    suggestion: 'Name those that you want in tools',
  })
}
