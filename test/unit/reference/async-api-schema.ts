/** AsyncAPI 3.0 as far as our document uses it: an unknown or misplaced member is a mistake. */
import { z } from 'zod'

const named = <T extends z.ZodType>(type: T) => z.record(z.string().regex(/^[\w.-]+$/), type)
const reference = (start: string) => z.strictObject({ $ref: z.string().startsWith(start) })

/** JSON Schema draft 7, which is what AsyncAPI reads where nothing else is said. */
const Schema = z
  .record(z.string(), z.unknown())
  .refine((schema) => !['$defs', 'prefixItems', '$schema'].some((name) => name in schema), 'is not draft 7')

const Server = z.strictObject({
  host: z.string(),
  protocol: z.string(),
  description: z.string(),
  variables: named(z.strictObject({ default: z.string() })).optional(),
})

const Channel = z
  .strictObject({
    address: z.string(),
    title: z.string().optional(),
    summary: z.string(),
    servers: z.array(reference('#/servers/')).length(1),
    parameters: named(z.strictObject({ description: z.string().optional() })).optional(),
    messages: named(reference('#/components/messages/')),
  })
  .refine(
    ({ address, parameters }) =>
      [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).join() ===
      Object.keys(parameters ?? {}).join(),
    'names other parameters than its address',
  )

const Operation = z.strictObject({
  action: z.enum(['send', 'receive']),
  channel: reference('#/channels/'),
  summary: z.string(),
  bindings: z
    .strictObject({ http: z.strictObject({ method: z.string(), bindingVersion: z.string() }) })
    .optional(),
})

const Message = z.strictObject({
  name: z.string(),
  summary: z.string(),
  contentType: z.literal('application/json'),
  headers: Schema.optional(),
  payload: reference('#/components/schemas/'),
  traits: z.array(reference('#/components/messageTraits/')).optional(),
})

export const AsyncApiDocument = z.strictObject({
  asyncapi: z.literal('3.0.0'),
  info: z.strictObject({
    title: z.string(),
    version: z.string(),
    description: z.string(),
    license: z.strictObject({ name: z.string() }),
  }),
  defaultContentType: z.string(),
  servers: named(Server),
  channels: named(Channel),
  operations: named(Operation),
  components: z.strictObject({
    messages: named(Message),
    messageTraits: named(z.strictObject({ headers: Schema })),
    schemas: named(Schema),
  }),
})
