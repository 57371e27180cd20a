/**
 * The REST protocol of Upstash in front of an ordinary Redis or Valkey: what functions speak is the same, whether
 * Redis is a service elsewhere or a process beside them.
 *
 * `POST /` takes a command, `POST /pipeline` several, `POST /multi-exec` several of which all or none happen. Answers
 * are `{result}` or `{error}`: 400 what Redis or we refuse, 401 without the token, 503 while Redis is unavailable.
 */
import { parseKept } from '../../shared/exact-json.ts'
import { createHash, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { answerStatus } from '../../shared/http/status.ts'
import { createRegistry } from '../../shared/telemetry/metrics.ts'
import { BadCommand, readCommand, readCommands } from './commands.ts'
import { RedisUnavailable, type RedisLink, type Reply } from './redis-link.ts'

const BODY_LIMIT_BYTES = 8 * 1024 * 1024

/** Long, because a new connection costs a caller more than its request. */
const KEEP_ALIVE_MS = 65_000

/** A status and the JSON that goes with it. */
type Answer = readonly [status: number, body: unknown]

type Endpoint = (link: RedisLink, body: unknown, encode: Encode) => Promise<Answer>
type Encode = (bytes: Buffer) => string

/** An HTTP server that answers for `link` to whoever knows `token`; it does not listen yet. */
export function createRedisRest(link: RedisLink, token: string): Server {
  const expected = hashOf(`Bearer ${token}`)
  const registry = createRegistry()
  const requests = registry.counter('kgents_redis_requests_total', 'Requests by status', ['status'])
  registry.observableGauge('kgents_redis_connected', '1 while Redis is reached', () => Number(link.connected))
  const status = { dependencies: () => ({ redis: link.connected }), metrics: () => registry.render() }
  const server = createServer((request, response) => {
    if (answerStatus(request, response, status)) return
    void answer(link, expected, request)
      .catch(explain)
      .then((result) => {
        requests.inc({ status: result[0] })
        response.shouldKeepAlive &&= server.listening // a server that stops waits for no further request
        write(response, result)
      })
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  return server
}

async function answer(link: RedisLink, expected: Buffer, request: IncomingMessage): Promise<Answer> {
  if (!timingSafeEqual(hashOf(request.headers.authorization ?? ''), expected)) {
    return [401, { error: 'Unauthorized' }]
  }
  const endpoint = ENDPOINTS[request.url ?? '']
  if (endpoint === undefined) return [404, { error: `there is no "${request.url}" here` }]
  if (request.method !== 'POST') return [405, { error: 'only POST is understood' }]
  const encode = request.headers['upstash-encoding'] === 'base64' ? asBase64 : asText
  return await endpoint(link, await readBody(request), encode)
}

const ENDPOINTS: Record<string, Endpoint> = {
  async '/'(link, body, encode) {
    const [reply] = await link.send([readCommand(body)])
    return reply instanceof Error ? [400, { error: reply.message }] : [200, asResult(reply, encode)]
  },

  async '/pipeline'(link, body, encode) {
    const replies = await link.send(readCommands(body))
    return [200, replies.map((reply) => asResult(reply, encode))]
  },

  async '/multi-exec'(link, body, encode) {
    const replies = await link.sendAtomically(readCommands(body))
    if (replies instanceof Error) return [400, { error: replies.message }]
    return [200, replies.map((reply) => asResult(reply, encode))]
  },
}

function asResult(reply: Reply | undefined, encode: Encode): { result: unknown } | { error: string } {
  return reply instanceof Error ? { error: reply.message } : { result: asJson(reply ?? null, encode) }
}

function asJson(reply: Reply, encode: Encode): unknown {
  if (Buffer.isBuffer(reply)) return encode(reply)
  if (Array.isArray(reply)) return reply.map((each) => asJson(each, encode))
  return reply instanceof Error ? reply.message : reply
}

function asText(bytes: Buffer): string {
  return bytes.toString('utf8')
}

/** Clients expect "OK" as it is, though they requested base64; it cannot be the base64 of anything. */
function asBase64(bytes: Buffer): string {
  return bytes.length === 2 && bytes.toString('latin1') === 'OK' ? 'OK' : bytes.toString('base64')
}

class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const text = await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > BODY_LIMIT_BYTES) reject(new TooLarge())
      else chunks.push(chunk)
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')))
    request.on('error', reject)
  })
  try {
    return parseKept(text)
  } catch {
    throw new BadCommand('the body is not JSON')
  }
}

function explain(error: unknown): Answer {
  if (error instanceof BadCommand) return [400, { error: `ERR ${error.message}` }]
  if (error instanceof TooLarge)
    return [413, { error: `ERR the body is larger than ${BODY_LIMIT_BYTES} bytes` }]
  if (error instanceof RedisUnavailable) return [503, { error: error.message }]
  return [500, { error: 'internal error' }]
}

function write(response: ServerResponse, [status, body]: Answer): void {
  const payload = Buffer.from(JSON.stringify(body))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': payload.length })
  response.end(payload)
}

/** Hashes are equally long, as the comparison requires, whatever was sent. */
function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
