/**
 * Which events a Trigger takes: the filter dialects of Knative Eventing, but for CloudEvents SQL, which is refused
 * when the stand-in starts.
 */
import type { EventFilter, Trigger } from '../../objects.ts'

/** The context attributes of an event, extensions among them, as strings. */
export type Attributes = Readonly<Record<string, string>>

export type Predicate = (attributes: Attributes) => boolean

/**
 * Compiles the filters of `trigger`: all of them have to match, and no filter matches everything.
 *
 * @throws TypeError naming the Trigger and the dialect that is unknown or cannot be evaluated here
 */
export function compileFilters(trigger: Trigger): Predicate {
  return compileAll(trigger.metadata.name, trigger.spec.filters ?? [])
}

function compileAll(name: string, filters: readonly EventFilter[]): Predicate {
  const predicates = filters.flatMap((filter) => Object.entries(filter).map((entry) => compile(name, entry)))
  return (attributes) => predicates.every((matches) => matches(attributes))
}

function compile(name: string, [dialect, operand]: [string, EventFilter[keyof EventFilter]]): Predicate {
  const compileOne = DIALECTS[dialect]
  if (compileOne !== undefined) return compileOne(operand as never, name) // reason: a dialect's operand is of its own type
  const supported = Object.keys(DIALECTS).join(', ')
  throw new TypeError(
    `Cannot run trigger "${name}": filter "${dialect}" is not supported locally, only ${supported}`,
  )
}

const DIALECTS: Record<string, (operand: never, name: string) => Predicate> = {
  exact: (values: Record<string, string>) => everyAttribute(values, (given, wanted) => given === wanted),
  prefix: (values: Record<string, string>) =>
    everyAttribute(values, (given, wanted) => given.startsWith(wanted)),
  suffix: (values: Record<string, string>) =>
    everyAttribute(values, (given, wanted) => given.endsWith(wanted)),
  all: (filters: EventFilter[], name) => compileAll(name, filters),
  any(filters: EventFilter[], name) {
    const predicates = filters.map((filter) => compileAll(name, [filter]))
    return (attributes) => predicates.some((matches) => matches(attributes))
  },
  not(filter: EventFilter, name) {
    const matches = compileAll(name, [filter])
    return (attributes) => !matches(attributes)
  },
}

/** An attribute that the event does not have matches nothing. */
function everyAttribute(
  values: Record<string, string>,
  test: (given: string, wanted: string) => boolean,
): Predicate {
  const entries = Object.entries(values)
  return (attributes) =>
    entries.every(([name, wanted]) => {
      const given = attributes[name]
      return given !== undefined && test(given, wanted)
    })
}
