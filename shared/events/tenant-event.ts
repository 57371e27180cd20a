/**
 * Events from a tenant's own systems, on their way in. They pass through as they were sent: every attribute, the data, and the
 * way in which each is written. Ours are `tenantid`, which follows from the credential alone, and `signature`; and no type is
 * like one of the platform's.
 */
import { z } from 'zod'
import { isExactNumber } from '../exact-json.ts'
import { Failure } from '../failures.ts'
import { Instant } from '../instant.ts'
import { encodeHeader, holdsJson, type JsonForm } from './binary-form.ts'
import { isReserved, type KgentsEvent } from './event.ts'

/** An event as it was sent; its data fits its type. */
export type TenantEvent = Omit<KgentsEvent, 'signature' | 'function' | 'traceparent'>

/** Of one event's data, as JSON; NATS carries a megabyte, and a mapping carries the event once more. */
const MAX_DATA_BYTES = 262_144
/** Of all attributes, as headers: what brings an event on reads 16 KiB of them. */
const MAX_ATTRIBUTE_BYTES = 12_288

/** Every type that this takes is a subject: names with none of NATS's wildcards, spaces or empty parts. */
const TYPE = /^[A-Za-z0-9_:/+@~-]+(\.[A-Za-z0-9_:/+@~-]+)*$/
/** RFC 2045, without the comments that nobody writes. */
const MEDIA_TYPE =
  /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+(\s*;\s*[\w!#$%&'*+.^`|~-]+=([\w!#$%&'*+.^`|~-]+|"[\x20-\x7e]*"))*$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const NAME = /^[a-z0-9]+$/
const LARGEST_INTEGER = 2_147_483_647

const PlainText = z
  .string()
  // oxlint-disable-next-line no-control-regex -- reason: they are what is looked for
  .regex(/^[^\u0000-\u001f\u007f-\u009f]*$/, 'has control characters')
  .refine((text) => text.isWellFormed(), 'has half a character')
const Text = (longest: number) => PlainText.min(1).max(longest)

/** Value of an extension attribute: text, or one of the types that JSON distinguishes from it. */
const Extension = z.union(
  [
    z.boolean(),
    z
      .int()
      .min(-LARGEST_INTEGER - 1)
      .max(LARGEST_INTEGER),
    PlainText,
  ],
  'is neither text, nor a truth value, nor a whole number of 32 bits',
)

/** What every event has. */
export const RequiredAttributes = z.object({
  specversion: z.literal('1.0', 'is not 1.0'),
  id: Text(256),
  source: Text(1024),
  type: Text(200)
    .regex(TYPE, 'is not names of letters, digits and _:/+@~- with dots between')
    .refine((type) => !isReserved(type), 'belongs to the platform'),
})

const Attributes = RequiredAttributes.extend({
  time: Instant.optional(),
  subject: Text(1024).optional(),
  datacontenttype: z.string().max(256).regex(MEDIA_TYPE, 'is no media type').optional(),
  dataschema: Text(1024).optional(),
  tenantid: z.string().optional(),
  signature: z.never('is the platform’s: it signs each event itself').optional(),
  data: z.unknown().optional(),
  data_base64: z.string().regex(BASE64, 'is not base64').optional(),
})
  .catchall(Extension)
  .refine(({ data, data_base64 }) => data === undefined || data_base64 === undefined, 'it has data twice')
  .refine(({ data, datacontenttype }) => holdsJson(datacontenttype) || isTextOrNone(data), {
    path: ['data'],
    message: 'is no text, and datacontenttype is no JSON',
  })

function isTextOrNone(data: unknown): boolean {
  return data === undefined || typeof data === 'string'
}

/**
 * Reads one event that `tenant` has sent.
 *
 * @throws Failure EVENT_SYNTAX, BODY_TOO_LARGE or TENANT_MISMATCH
 */
export async function readTenantEvent(raw: unknown, tenant: string): Promise<TenantEvent> {
  const event = parse(withoutUnset(raw))
  if (event.tenantid !== undefined && event.tenantid !== tenant) {
    throw new Failure('TENANT_MISMATCH', 'Cannot take an event of another tenant', {
      suggestion: 'Leave tenantid out: the tenant is read from your credential',
    })
  }
  checkSize(event)
  await checkForm(event)
  return { ...event, tenantid: tenant } as TenantEvent // reason: `signature` is refused, others are optional
}

/** An attribute that is null is unset (JSON format, 2.2); data may be null. */
function withoutUnset(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw) || isExactNumber(raw)) return raw
  return Object.fromEntries(Object.entries(raw).filter(([name, value]) => value !== null || name === 'data'))
}

function parse(raw: unknown): z.infer<typeof Attributes> {
  const odd = Object.keys(raw ?? {}).find((name) => !NAME.test(name) && name !== 'data_base64')
  if (odd !== undefined) throw bad(`attribute name "${odd}" is not lower-case letters and digits`)
  const parsed = Attributes.safeParse(raw)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw bad(`${issue?.path.join('.') || 'it'}: ${issue?.message}`)
  }
  return parsed.data
}

function checkSize({ data, data_base64: base64, ...attributes }: JsonForm): void {
  if (Buffer.byteLength(JSON.stringify(base64 ?? data ?? null)) > MAX_DATA_BYTES) {
    throw new Failure('BODY_TOO_LARGE', `Cannot take an event with more than ${MAX_DATA_BYTES} bytes of data`)
  }
  const headers = Object.entries(attributes).map(
    ([name, value]) => `ce-${name}: ${encodeHeader(String(value))}\r\n`,
  )
  if (headers.join('').length > MAX_ATTRIBUTE_BYTES) {
    throw new Failure(
      'BODY_TOO_LARGE',
      `Cannot take an event with more than ${MAX_ATTRIBUTE_BYTES} bytes of attributes, as headers`,
      { suggestion: 'Send in data what is large' },
    )
  }
}

/** What the specification says besides: sources that are URI references, schemas that are URIs. */
async function checkForm({ id, source, type, dataschema }: z.infer<typeof Attributes>): Promise<void> {
  // Only processes that get such events pay for loading the library.
  const { CloudEvent } = await import('cloudevents')
  try {
    void new CloudEvent({ id, source, type, ...(dataschema === undefined ? {} : { dataschema }) }, true)
  } catch (cause) {
    const unread = dataschema === undefined ? '' : ', or dataschema: is no URI'
    throw bad(`source: is no URI reference${unread}`, cause)
  }
}

function bad(why: string, cause?: unknown): Failure {
  return new Failure('EVENT_SYNTAX', `Cannot read the event: ${why}`, {
    suggestion: 'Send a CloudEvent 1.0 with specversion, id, source and type',
    cause,
  })
}
