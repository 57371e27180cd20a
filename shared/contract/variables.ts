/** What a process reads from its environment, as a list: for tables, for manifests, and for whoever starts it. */
import { z } from 'zod'

export interface Variable {
  name: string
  description: string
  required: boolean
  /** As it would be written in the environment; absent where there is none. */
  default?: string
  /** Its value on a cluster where the platform's own layout decides it. */
  cluster?: string
}

/** What `.meta()` says of a variable. */
const Meta = z.object({
  description: z.string().min(1),
  cluster: z.string().optional(),
  /** Where the program finds a value by itself. */
  required: z.literal(false).optional(),
})

/**
 * The variables of `environment`, an object or a union of objects, each once and in their order.
 *
 * @throws TypeError where a variable has no description
 */
export function variablesOf(environment: z.ZodType): Variable[] {
  const shapes = shapesOf(environment)
  const merged: Record<string, z.ZodType> = Object.assign({}, ...shapes)
  const isRequired = (name: string, schema: z.ZodType) =>
    shapes.every((shape) => name in shape) && !schema.safeParse(undefined).success
  return Object.entries(merged).map(([name, schema]) => {
    const meta = Meta.safeParse(schema.meta() ?? {})
    if (!meta.success) throw new TypeError(`Cannot list the environment: "${name}" has no description`)
    const { description, cluster, required = isRequired(name, schema) } = meta.data
    return {
      name,
      description,
      required,
      ...optional('default', defaultOf(schema)),
      ...optional('cluster', cluster),
    }
  })
}

function shapesOf(schema: z.ZodType): Record<string, z.ZodType>[] {
  if (schema instanceof z.ZodObject) return [schema.shape]
  if (schema instanceof z.ZodPipe) return shapesOf(schema.out as z.ZodType)
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((each) => shapesOf(each as z.ZodType))
  throw new TypeError('Cannot list the environment: it is neither an object nor a union of objects')
}

/** The default of the outermost schema that has one: what a transform makes of it is not what one would write. */
function defaultOf(schema: z.ZodType): string | undefined {
  if (schema instanceof z.ZodDefault) return String(schema.def.defaultValue)
  if (schema instanceof z.ZodPipe) return defaultOf(schema.in as z.ZodType)
  return undefined
}

function optional<K extends string>(name: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined || value === '' ? {} : ({ [name]: value } as Record<K, string>)
}
