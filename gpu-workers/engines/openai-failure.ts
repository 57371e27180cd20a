/**
 * What it means that a model server does not answer: for this request, and for those that come after it.
 *
 * Messages of servers may repeat the prompt, or a part of a key, so nobody gets to see them. What is shown is our own word
 * for it, with the status and a code that is one.
 */
import { z } from 'zod'
import { readRetryAfter } from '../../shared/retry-after.ts'
import { EngineFailure } from './engine.ts'

/**
 * `again`: whether the same server may answer the same request another time. `restSeconds`: how long other servers are
 * asked before it. The next server is asked in every case.
 */
const MEANINGS = {
  refused: { again: false, restSeconds: 0, text: 'refused the request' },
  forbidden: { again: true, restSeconds: 0, text: 'did not allow the request' },
  misconfigured: { again: true, restSeconds: 60, text: 'cannot be used as it is configured' },
  busy: { again: true, restSeconds: 5, text: 'is overloaded' },
  broken: { again: true, restSeconds: 5, text: 'failed' },
  unreachable: { again: true, restSeconds: 5, text: 'is unavailable' },
  silent: { again: true, restSeconds: 30, text: 'said nothing for too long' },
  brokenOff: { again: true, restSeconds: 5, text: 'broke the answer off' },
  unreadable: { again: true, restSeconds: 5, text: 'gave an answer that cannot be read' },
} as const

export type Meaning = keyof typeof MEANINGS

/** By HTTP status; of the others, those of 500 and above are `broken`, and the rest `misconfigured`. */
const BY_STATUS: Record<number, Meaning> = {
  400: 'refused',
  403: 'forbidden',
  408: 'busy',
  409: 'busy',
  413: 'refused',
  422: 'refused',
  425: 'busy',
  429: 'busy',
  503: 'busy',
  529: 'busy',
}

/** By the code or type of an error, where no status comes with it: in the middle of an answer. */
const BY_CODE = new Map<string, Meaning>(
  Object.entries({
    insufficient_quota: 'misconfigured',
    model_not_found: 'misconfigured',
    content_filter: 'refused',
    context_length_exceeded: 'refused',
    exceed_context_size_error: 'refused',
    invalid_request_error: 'refused',
    BadRequestError: 'refused',
    rate_limit_exceeded: 'busy',
    overloaded_error: 'busy',
  }),
)

/** Why a request was refused, in our words, by what a server says in its own. */
const REASONS: readonly [RegExp, string][] = [
  [
    /context.{0,10}(length|window|size)|maximum context|n_ctx|too (long|large|many tokens)/i,
    'it is too long for its model',
  ],
  [/content.{0,10}(filter|policy|management)|moderation|flagged/i, 'its content filter objects'],
]

/** Letters and underscores alone: no key looks like that. */
const CODE = /^[a-z]+(_[a-z]+)*$/i
const MAX_CODE = 40

/** However long a server asks for: its clock may be wrong. */
const MAX_REST_SECONDS = 600

interface Facts {
  status?: number | undefined
  code?: string | undefined
  reason?: string | undefined
  retryAfterSeconds?: number | undefined
  cause?: unknown
}

/** That one server has not answered. */
export class ServerFailure extends Error {
  override readonly name = 'ServerFailure'
  readonly meaning: Meaning
  readonly retryAfterSeconds: number | undefined

  constructor(meaning: Meaning, { status, code, reason, retryAfterSeconds, cause }: Facts = {}) {
    const details = [status, code].filter((each) => each !== undefined).join(' ')
    const shown = `${MEANINGS[meaning].text}${details === '' ? '' : ` (${details})`}`
    super(reason === undefined ? shown : `${shown}: ${reason}`, cause === undefined ? undefined : { cause })
    this.meaning = meaning
    this.retryAfterSeconds = retryAfterSeconds
  }

  get again(): boolean {
    return MEANINGS[this.meaning].again
  }

  /** Whether it is the server that is at fault, and not the request, nor how much it has to do. */
  get isFault(): boolean {
    return this.meaning !== 'refused' && this.meaning !== 'forbidden' && this.meaning !== 'busy'
  }

  get restSeconds(): number {
    return Math.min(this.retryAfterSeconds ?? MEANINGS[this.meaning].restSeconds, MAX_REST_SECONDS)
  }
}

const text = z
  .unknown()
  .optional()
  .transform((value) => (typeof value === 'string' ? value : undefined))

/** The forms that errors have: OpenAI's, Ollama's `{"error":"..."}`, FastAPI's `detail`, and those without a wrapper. */
const ErrorMembers = z.object({
  message: text,
  detail: text,
  type: text,
  code: z.union([z.string(), z.number()]).optional().catch(undefined),
})

/** The failure that an error in an answer is; undefined where `error` says that there is none, as null does. */
export function failureInAnswer(error: unknown): ServerFailure | undefined {
  if (error === null || error === undefined || error === false || error === '') return undefined
  if (typeof error === 'object' && Object.keys(error).length === 0) return undefined
  return failureFrom(error, {})
}

/** The failure that an answer with `status` is, of which `body` is the beginning. */
export function failureOfStatus(status: number, headers: Headers, body: string): ServerFailure {
  const parsed = parseJson(body)
  const error = z.object({ error: z.unknown().optional() }).safeParse(parsed).data?.error ?? parsed ?? body
  return failureFrom(error, { status, retryAfterSeconds: readRetryAfter(headers.get('retry-after')) })
}

function failureFrom(error: unknown, known: Pick<Facts, 'status' | 'retryAfterSeconds'>): ServerFailure {
  const said = ErrorMembers.safeParse(typeof error === 'string' ? { message: error } : error).data
  const status = known.status ?? statusIn(said?.code)
  const code = [said?.code, said?.type].find(
    (each): each is string => typeof each === 'string' && each.length <= MAX_CODE && CODE.test(each),
  )
  const meaning = meaningOf(status, code)
  const words = [code, said?.message, said?.detail].join(' ')
  const reason = meaning === 'refused' ? REASONS.find(([pattern]) => pattern.test(words))?.[1] : undefined
  return new ServerFailure(meaning, { ...known, status, code, reason })
}

/** OpenRouter and vLLM put an HTTP status where others have a word. */
function statusIn(code: string | number | undefined): number | undefined {
  const status = Number(code)
  return Number.isInteger(status) && status >= 400 && status < 600 ? status : undefined
}

function meaningOf(status: number | undefined, code: string | undefined): Meaning {
  if (status === undefined) return BY_CODE.get(code ?? '') ?? 'broken'
  return BY_STATUS[status] ?? (status >= 500 ? 'broken' : 'misconfigured')
}

/** What failures of all servers, by their names, are for the request: lasting only where each of them has refused it. */
export function failureOfAll(failures: readonly { server: string; failure: ServerFailure }[]): EngineFailure {
  const told = failures.map(({ server, failure }) => `${server} ${failure.message}`).join('; ')
  const refused = failures.length > 0 && failures.every(({ failure }) => !failure.again)
  const waits = failures.map(({ failure }) => (failure.again ? (failure.retryAfterSeconds ?? 0) : Infinity))
  return new EngineFailure(`Cannot get an answer: ${told}`, {
    retry: !refused,
    refused,
    retryAfterSeconds: refused ? 0 : Math.min(...waits),
    cause: failures.at(-1)?.failure,
  })
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
