/** One call of a tool: what is sent, made of its contract and the arguments, and what is made of the answer. */
import { createHash } from 'node:crypto'
import type { Call } from '../../../../shared/contract/call.ts'
import { parseExactly } from '../../../../shared/exact-json.ts'
import { Failure } from '../../../../shared/failures.ts'
import type { FencedResponse } from '../../../../shared/egress/fenced-request.ts'
import { isDeeper } from './deeper.ts'
import type { Prepared, ToolRow } from './rows.ts'
import { checkBySchema } from './schema.ts'
import { createRedactor, withSecrets, type Redactor } from './secrets.ts'
import { expandTemplate, readTemplate } from './template.ts'
import { beginningOf } from '../../../../shared/beginning.ts'

/** Bytes of an answer. */
const MAX_ANSWER = 262_144
/** Members inside members of an answer. */
const DEEPEST_ANSWER = 64
/** Characters of a bad answer that are shown to who has to find out why. */
const SHOWN = 300

const WITH_BODY = new Set(['POST', 'PUT', 'PATCH'])

export interface ToolAnswer {
  status: number
  output: unknown
}

/**
 * Sends the request, and reads the answer.
 *
 * @throws Failure TYPE_MISMATCH for arguments that do not fit, EGRESS_DENIED, UPSTREAM_FAILED, DEADLINE_EXCEEDED
 */
export async function callTool(
  { tool, allow, secrets }: Prepared,
  given: Readonly<Record<string, unknown>>,
  call: Pick<Call, 'identity' | 'idempotencyKey' | 'signal' | 'requestOutside'>,
): Promise<ToolAnswer> {
  const { url, body } = addressed(tool, checkArguments(tool, given))
  const redactor = createRedactor(secrets.values())
  const headers = { ...ownHeaders(tool, body, call), ...withSecrets(lowerCased(tool.headers), secrets) }
  try {
    const response = await call.requestOutside({
      url,
      method: tool.method,
      headers,
      ...(body === undefined ? {} : { body }),
      allow,
      timeoutSeconds: tool.timeout_seconds,
      maxBytes: MAX_ANSWER,
      signal: call.signal,
    })
    return readAnswer(tool, response, redactor)
  } catch (error) {
    // A server may send on to a host that is named after the secret it was given.
    throw error instanceof Failure ? withoutSecrets(error, redactor) : error
  }
}

/** @throws Failure TYPE_MISMATCH for arguments that do not fit the schema of the tool */
export function checkArguments(
  tool: ToolRow,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const checked = checkBySchema(tool.input_schema, given)
  if ('value' in checked) return checked.value as Record<string, unknown>
  throw new Failure('TYPE_MISMATCH', `Cannot use tool "${tool.name}": ${checked.problem}`, {
    suggestion: `world.tool.manifest with {"tool": "${tool.name}"} shows what it takes`,
  })
}

/** Arguments that the URL has no place for go into the body, where there is one. */
function addressed(tool: ToolRow, given: Record<string, unknown>): { url: string; body?: string } {
  const template = readTemplate(tool.url)
  const url = expandTemplate(template, given)
  const placed = new Set([...template.inPath, ...template.inQuery])
  const rest = Object.entries(given).filter(([name]) => !placed.has(name))
  if (WITH_BODY.has(tool.method)) return { url, body: JSON.stringify(Object.fromEntries(rest)) }
  const [first] = rest
  if (first === undefined) return { url }
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot use tool "${tool.name}": its URL has no place for "${first[0]}"`,
    {
      suggestion: `Its URL takes ${[...placed].join(', ') || 'nothing'}`,
    },
  )
}

/** What every request says; a repetition of the caller's is one for the tool as well. */
function ownHeaders(
  { name, method }: ToolRow,
  body: string | undefined,
  call: Pick<Call, 'identity' | 'idempotencyKey'>,
): Record<string, string> {
  const { idempotencyKey: key, identity } = call
  const once = createHash('sha256')
    .update(JSON.stringify([identity.tenant, name, key]))
    .digest('hex')
  return {
    accept: 'application/json',
    'user-agent': 'kgents',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...(key === undefined || method === 'GET' ? {} : { 'idempotency-key': once }),
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function readAnswer(
  tool: ToolRow,
  { status, headers, body }: FencedResponse,
  redactor: Redactor,
): ToolAnswer {
  const output = readBody(tool, headers['content-type'] ?? '', decode(body), redactor)
  if (status < 200 || status > 299) {
    const shown = typeof output === 'string' ? output : (JSON.stringify(output) ?? '')
    throw upstream(tool, `it answered ${status}`, { status, answer: beginningOf(shown, SHOWN) })
  }
  if (tool.output_schema === null) return { status, output }
  const checked = checkBySchema(tool.output_schema, output)
  if ('problem' in checked)
    throw upstream(tool, `its answer does not fit its contract: ${checked.problem}`, { status })
  return { status, output }
}

const UTF_16 = new Map([
  ['fffe', 'utf-16le'],
  ['feff', 'utf-16be'],
])

/** Text in the encoding of its byte-order mark, which is no part of it; UTF-8 without one. */
function decode(body: Buffer): string {
  return new TextDecoder(UTF_16.get(body.subarray(0, 2).toString('hex')) ?? 'utf-8').decode(body)
}

/** JSON as what it says, anything else as text, nothing as null. */
function readBody(tool: ToolRow, type: string, text: string, redactor: Redactor): unknown {
  if (text === '') return null
  if (!/^application\/([a-z0-9.+-]+\+)?json\s*(;|$)/i.test(type)) return redactor.text(text)
  const parsed = parseJson(tool, text)
  if (isDeeper(parsed, DEEPEST_ANSWER))
    throw upstream(tool, `its answer is nested deeper than ${DEEPEST_ANSWER} levels`)
  return redactor.json(parsed)
}

function parseJson(tool: ToolRow, text: string): unknown {
  try {
    return parseExactly(text)
  } catch (error) {
    const isBeyond = error instanceof RangeError
    throw upstream(
      tool,
      isBeyond ? `its answer is too much: ${error.message}` : 'its answer is not the JSON that it says it is',
    )
  }
}

function withoutSecrets({ code, message, facts }: Failure, redactor: Redactor): Failure {
  return new Failure(code, redactor.text(message), redactor.json(facts) as Failure['facts'])
}

function upstream({ name }: ToolRow, why: string, details: Record<string, unknown> = {}): Failure {
  return new Failure('UPSTREAM_FAILED', `Cannot use tool "${name}": ${why}`, { details })
}
