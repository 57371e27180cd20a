/**
 * Every failure a caller can see, in one table. The code is the contract: clients branch on it, the edges
 * read their own column, and tests check the documents against it. The message is for people and may change.
 *
 * A `Failure` is expected (bad input, a missing thing, a dependency unavailable). A `Refusal` is a deliberate "no",
 * answered 451, and does not count as an error. Anything else that is thrown is a bug: its message never
 * leaves the process.
 */

/** The category names the kind of answer; every code belongs to exactly one. */
const CATEGORIES = {
  INVALID_INPUT: { status: 400, retry: false, title: 'The request is not valid' },
  UNAUTHORIZED: { status: 401, retry: false, title: 'Who you are could not be established' },
  FORBIDDEN: { status: 403, retry: false, title: 'You may not do this' },
  NOT_FOUND: { status: 404, retry: false, title: 'There is no such thing' },
  CONFLICT: { status: 409, retry: false, title: 'The state of the thing does not allow this' },
  PRECONDITION_FAILED: { status: 412, retry: false, title: 'Something has to happen first' },
  QUOTA_EXCEEDED: { status: 429, retry: true, title: 'A limit is reached' },
  REFUSED: { status: 451, retry: false, title: 'Refused' },
  INTERNAL: { status: 500, retry: true, title: 'Something went wrong on our side' },
  UNAVAILABLE: { status: 503, retry: true, title: 'A part of the platform is unavailable' },
  TIMEOUT: { status: 504, retry: true, title: 'It took too long' },
} as const satisfies Record<string, { status: number; retry: boolean; title: string }>

export type Category = keyof typeof CATEGORIES

/** `status` here overrides the category's: the few HTTP answers that are more precise than their category. */
const CODES = {
  PATH_SYNTAX: { category: 'INVALID_INPUT' },
  QUERY_SYNTAX: { category: 'INVALID_INPUT' },
  QUERY_BOUND: { category: 'INVALID_INPUT' },
  ALIAS_SHADOW: { category: 'INVALID_INPUT' },
  ALIAS_RECURSION: { category: 'INVALID_INPUT' },
  EFFECT_SYNTAX: { category: 'INVALID_INPUT' },
  LAW_VIOLATION: { category: 'INVALID_INPUT' },
  BODY_SYNTAX: { category: 'INVALID_INPUT' },
  TYPE_MISMATCH: { category: 'INVALID_INPUT' },
  EVENT_SYNTAX: { category: 'INVALID_INPUT' },
  CONTENT_TYPE: { category: 'INVALID_INPUT', status: 415 },
  BODY_TOO_LARGE: { category: 'INVALID_INPUT', status: 413 },
  INFERENCE_REFUSED: { category: 'INVALID_INPUT', status: 422 },
  METHOD_NOT_ALLOWED: { category: 'INVALID_INPUT', status: 405 },
  REQUEST_SYNTAX: { category: 'INVALID_INPUT' },
  LENGTH_REQUIRED: { category: 'INVALID_INPUT', status: 411 },
  URL_TOO_LONG: { category: 'INVALID_INPUT', status: 414 },
  EXPECTATION_FAILED: { category: 'INVALID_INPUT', status: 417 },
  HEADERS_TOO_LARGE: { category: 'INVALID_INPUT', status: 431 },
  ENCODING_UNSUPPORTED: { category: 'INVALID_INPUT', status: 501 },
  VERSION_UNSUPPORTED: { category: 'INVALID_INPUT', status: 505 },
  CREDENTIALS_AMBIGUOUS: { category: 'INVALID_INPUT' },
  CREDENTIALS_MISSING: { category: 'UNAUTHORIZED' },
  CREDENTIALS_INVALID: { category: 'UNAUTHORIZED' },
  TOKEN_EXPIRED: { category: 'UNAUTHORIZED' },
  SIGNATURE_INVALID: { category: 'FORBIDDEN' },
  TENANT_MISMATCH: { category: 'FORBIDDEN' },
  AFFORDANCE_DENIED: { category: 'FORBIDDEN' },
  ARCHETYPE_DENIED: { category: 'FORBIDDEN' },
  SCOPE_MISSING: { category: 'FORBIDDEN' },
  TIER_REQUIRED: { category: 'FORBIDDEN' },
  EGRESS_DENIED: { category: 'FORBIDDEN' },
  CSRF_REFUSED: { category: 'FORBIDDEN' },
  IDENTITY_GONE: { category: 'FORBIDDEN' },
  TENANT_SUSPENDED: { category: 'FORBIDDEN' },
  NODE_NOT_REGISTERED: { category: 'NOT_FOUND' },
  ALIAS_NOT_FOUND: { category: 'NOT_FOUND' },
  ROUTE_NOT_FOUND: { category: 'NOT_FOUND' },
  NOT_FOUND: { category: 'NOT_FOUND' },
  IDEMPOTENCY_MISMATCH: { category: 'CONFLICT' },
  STATE_CONFLICT: { category: 'CONFLICT' },
  PREFERENCE_CONFLICT: { category: 'CONFLICT' },
  CANCELLED: { category: 'CONFLICT' },
  PRECONDITION_FAILED: { category: 'PRECONDITION_FAILED' },
  RATE_LIMITED: { category: 'QUOTA_EXCEEDED' },
  QUOTA_EXCEEDED: { category: 'QUOTA_EXCEEDED' },
  BACKLOG_FULL: { category: 'QUOTA_EXCEEDED' },
  ENTROPY_EXHAUSTED: { category: 'QUOTA_EXCEEDED' },
  CONSENT_REQUIRED: { category: 'REFUSED' },
  INTERNAL: { category: 'INTERNAL' },
  PURITY_BREACH: { category: 'INTERNAL' },
  DEPENDENCY_UNAVAILABLE: { category: 'UNAVAILABLE' },
  UPSTREAM_FAILED: { category: 'UNAVAILABLE', status: 502 },
  INFERENCE_UNAVAILABLE: { category: 'UNAVAILABLE' },
  INFERENCE_FAILED: { category: 'UNAVAILABLE' },
  DEADLINE_EXCEEDED: { category: 'TIMEOUT' },
  REQUEST_TIMEOUT: { category: 'TIMEOUT', status: 408 },
} as const satisfies Record<string, { category: Category; status?: number }>

export type FailureCode = keyof typeof CODES

/** Whether a failure with this code is the platform's doing and not the caller's; a code that is not known is. */
export function isOurDoing(code: string): boolean {
  if (!Object.hasOwn(CODES, code)) return true
  return new Failure(code as FailureCode, '').status >= 500 // reason: looked up in the line before
}

/** What a failure may carry besides its code and message; all of it is shown to the caller. */
export interface FailureFacts {
  /** What the caller can do about it, in one sentence. */
  suggestion?: string
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number
  /** Names the caller could have meant or may use instead. */
  available?: readonly string[]
  details?: Record<string, unknown>
  /** How to authenticate, as in `WWW-Authenticate`; not repeated in the body. */
  challenge?: string
  /** The code of OAuth that it has where OAuth is spoken (RFC 6749, 5.2); not repeated elsewhere. */
  oauth?: string
  /** The kind of error that it is in SCIM (RFC 7644, 3.12). */
  scimType?: string
  /** Methods that the address has; becomes `Allow`. */
  allow?: readonly string[]
}

/** An expected failure: thrown by handlers and steps, turned into an answer only at the edges. */
export class Failure extends Error {
  override readonly name: string = 'Failure'
  readonly code: FailureCode
  readonly facts: FailureFacts

  constructor(code: FailureCode, message: string, facts: FailureFacts & { cause?: unknown } = {}) {
    const { cause, ...rest } = facts
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.facts = rest
  }

  get category(): Category {
    return CODES[this.code].category
  }

  /** HTTP status of this failure. */
  get status(): number {
    const row: { category: Category; status?: number } = CODES[this.code]
    return row.status ?? CATEGORIES[row.category].status
  }

  get title(): string {
    return CATEGORIES[this.category].title
  }

  /** Whether the same request may succeed later without a change. */
  get retry(): boolean {
    return CATEGORIES[this.category].retry || this.facts.retryAfterSeconds !== undefined
  }
}

/** A deliberate "no": stops a composition, refunds, and is answered 451 with what would change the answer. */
export class Refusal extends Failure {
  override readonly name = 'Refusal'

  constructor(
    reason: string,
    facts: FailureFacts & { consentRequired?: string; overrideCost?: number } = {},
  ) {
    const { consentRequired, overrideCost, ...rest } = facts
    const details = {
      ...rest.details,
      ...(consentRequired === undefined ? {} : { consent_required: consentRequired }),
      ...(overrideCost === undefined ? {} : { override_cost: overrideCost }),
    }
    super('CONSENT_REQUIRED', reason, { ...rest, details })
  }
}

/** All codes with their category and HTTP status, for documents and the tests that check them. */
export function listFailures(): { code: FailureCode; category: Category; status: number; retry: boolean }[] {
  return (Object.keys(CODES) as FailureCode[]).map((code) => {
    const failure = new Failure(code, '')
    return { code, category: failure.category, status: failure.status, retry: failure.retry }
  })
}

/** What another part answered as problem details, as the failure that it was there. */
export function failureFrom(problem: unknown): Failure {
  const { code, message, suggestion, retry_after, details, available } = (problem ?? {}) as Record<
    string,
    unknown
  >
  if (typeof code !== 'string' || !Object.hasOwn(CODES, code)) {
    return new Failure('DEPENDENCY_UNAVAILABLE', 'A part of the platform gave no clear answer', {
      retryAfterSeconds: 1,
    })
  }
  return new Failure(code as FailureCode, String(message), {
    ...(typeof suggestion === 'string' ? { suggestion } : {}),
    ...(typeof retry_after === 'number' ? { retryAfterSeconds: retry_after } : {}),
    ...(Array.isArray(available) ? { available: available.map(String) } : {}),
    ...(typeof details === 'object' && details !== null ? { details: { ...details } } : {}),
  })
}
