/**
 * The environment, read once when a process starts. Each process declares what it needs as a zod object;
 * all problems are reported together, and there is no silent default for anything that guards data.
 */
import { z } from 'zod'

/** Reads `env` by `schema`, or throws one TypeError that names every variable that is missing or wrong. */
export function readConfig<T extends z.ZodType>(schema: T, env: NodeJS.ProcessEnv): Readonly<z.infer<T>> {
  const result = schema.safeParse(env)
  if (!result.success) throw new TypeError(`Cannot start:\n${z.prettifyError(result.error)}`)
  return Object.freeze(result.data)
}

/** A variable that holds JSON of the given shape, such as a key set. */
export function json<T extends z.ZodType>(schema: T) {
  return z
    .string()
    .transform((text, context): unknown => {
      try {
        return JSON.parse(text)
      } catch {
        context.addIssue({ code: 'custom', message: 'is not valid JSON' })
        return z.NEVER
      }
    })
    .pipe(schema)
}

/** A TCP port; 0 lets the system choose one. */
export const Port = z.coerce.number().int().min(0).max(65_535)

/** Origins such as `http://tools.intern:8080`, separated by commas; absent is none. */
export const OriginList = z
  .string()
  .default('')
  .transform((list) => list.split(',').flatMap((origin) => (origin.trim() === '' ? [] : [origin.trim()])))
  .pipe(z.array(z.url().refine((text) => URL.parse(text)?.origin === text, 'is more than an origin')))

/** Settings of the log, shared by all processes. */
export const LogSettings = z.object({
  LOG_LEVEL: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info'),
})
