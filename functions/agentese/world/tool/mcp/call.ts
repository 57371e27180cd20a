/** One call of an imported tool: refused where its server says that it is something else by now. */
import { z } from 'zod'
import { createRedactor, type Redactor } from '../secrets.ts'
import { isDeeper } from '../deeper.ts'
import { checkArguments, type ToolAnswer } from '../call.ts'
import type { Prepared } from '../rows.ts'
import { findRemoteTool } from './contract.ts'
import { changed, claimCheck, makeDue, noteChange, type ImportedRow } from './rows.ts'
import { serverOf, withoutSecretsOf, type Calling } from './server.ts'
import { listRemoteTools, upstream, withServer, type Server, type Session } from './session.ts'

/** Members inside members of an answer. */
const DEEPEST_ANSWER = 64
const MAX_OUTPUT = 262_144

const Block = z.looseObject({
  type: z.string(),
  text: z.string().optional(),
  mimeType: z.string().optional(),
})
const Result = z.looseObject({
  content: z.array(Block).default([]),
  structuredContent: z.unknown().optional(),
  isError: z.boolean().default(false),
})

/**
 * Calls the tool, after its pin where that is due.
 *
 * @throws Failure STATE_CONFLICT where the tool was changed, TYPE_MISMATCH for arguments, and as `withServer` does
 */
export async function callImported(
  { tool, allow, secrets }: Prepared,
  imported: ImportedRow,
  given: Readonly<Record<string, unknown>>,
  call: Calling,
): Promise<ToolAnswer> {
  if (imported.changed_to !== null) throw changed(tool.name)
  const args = checkArguments(tool, given)
  const server = { ...serverOf(tool, { allow, secrets }), protocol: imported.protocol }
  const isDue = await call.transact('write', ({ db }) => claimCheck(db, tool.name))
  const redactor = createRedactor(secrets.values())
  return withoutSecretsOf(redactor, () =>
    withServer(server, call, async (session) => {
      if (isDue) await check(tool.name, imported, { session, server, call, redactor })
      const answer = await ask(session, imported, args)
      if (session.announced()) await call.transact('write', ({ db }) => makeDue(db, tool.name))
      return { status: 200, output: outputOf(server, answer, redactor) }
    }),
  )
}

async function check(
  tool: string,
  { remote, pin }: ImportedRow,
  {
    session,
    server,
    call,
    redactor,
  }: { session: Session; server: Server; call: Calling; redactor: Redactor },
): Promise<void> {
  const tools = await listRemoteTools(session, server, redactor).catch(async (error: unknown) => {
    // A server that shows no list hides nothing by it: the next call wants the list as well.
    await call.transact('write', ({ db }) => makeDue(db, tool))
    throw error
  })
  const now = findRemoteTool(tools, remote)
  const seen = now === undefined || 'reason' in now ? 'gone' : now.pin
  if (seen === pin) return
  await call.transact('write', ({ db }) => noteChange(db, tool, seen))
  throw changed(tool)
}

function ask({ client, options }: Session, { remote, contract }: ImportedRow, args: Record<string, unknown>) {
  // With its contract at hand, the client need not ask for the list of tools, nor compile what it says of results.
  const toolDefinition = { name: remote, inputSchema: { ...contract.inputSchema, type: 'object' as const } }
  return client.callTool({ name: remote, arguments: args }, { ...options, toolDefinition })
}

/** What models and programs get: texts, data, and of everything else what it is. */
function outputOf(server: Server, answer: unknown, redactor: Redactor) {
  const read = Result.safeParse(answer)
  if (!read.success) throw upstream(server, 'its result is none of the protocol')
  const { content, structuredContent, isError } = read.data
  if (isDeeper(structuredContent, DEEPEST_ANSWER))
    throw upstream(server, `its result is nested deeper than ${DEEPEST_ANSWER} levels`)
  const text = content.flatMap((block) => (block.type === 'text' ? (block.text ?? []) : [])).join('\n')
  const other = content
    .filter(({ type }) => type !== 'text')
    .map(({ type, mimeType }) => ({ type, mime_type: mimeType ?? null }))
  const output = {
    text: redactor.text(text),
    ...(structuredContent === undefined ? {} : { data: redactor.json(structuredContent) }),
    ...(other.length === 0 ? {} : { other }),
    is_error: isError,
  }
  if (JSON.stringify(output).length > MAX_OUTPUT)
    throw upstream(server, `its result is larger than ${MAX_OUTPUT} bytes`)
  return output
}
