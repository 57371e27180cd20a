/**
 * Aliases: short names for nodes, in the place of `context.holon`. `me.dialogue` is `self.soul.dialogue`. They are
 * expanded once, at the first segment and nowhere else; what comes out starts with a context and is never expanded
 * again. The names of contexts cannot be taken.
 */
import { Failure } from '../failures.ts'
import {
  CONTEXTS,
  identifierFault,
  isContext,
  parseContext,
  parseNode,
  similarPaths,
  suggestIdentifier,
} from './path.ts'
import { quote } from './quote.ts'

/** Alias to node. */
export type Aliases = Readonly<Record<string, string>>

/** What everybody has; a tenant's own alias of the same name goes before. */
export const STANDARD_ALIASES: Aliases = {
  me: 'self.soul',
  brain: 'self.memory',
  chaos: 'void.entropy',
  serendipity: 'void.serendipity',
  gratitude: 'void.gratitude',
  history: 'time.trace',
  past: 'time.past',
  future: 'time.future',
}

/**
 * Checks that `name` may stand for `target`. Whether that node is there is for the caller to find out.
 *
 * @param own aliases that are defined already
 * @throws Failure ALIAS_SHADOW for a context's name; ALIAS_RECURSION for a target that is an alias; PATH_SYNTAX for
 *   a name that is no identifier and for a target that is no node
 */
export function checkAlias(name: string, target: string, own: Aliases = {}): void {
  checkName(name)
  const [first = ''] = target.split('.', 1)
  if (first === name || lookUp(first, own) !== undefined) {
    throw new Failure(
      'ALIAS_RECURSION',
      `Cannot define alias ${quote(name)}: its target ${quote(target)} starts with an alias`,
      { suggestion: `Use the node itself: ${lookUp(first, own) ?? 'context.holon, such as self.soul'}` },
    )
  }
  parseNode(target)
}

/**
 * A path, or a node, with the alias at its first segment replaced; unchanged where it starts with a context.
 *
 * @param own the caller's aliases, checked by `checkAlias` when they were stored
 * @throws Failure PATH_SYNTAX when the first segment is neither: it lists the contexts and the aliases alike
 */
export function expandAlias(text: string, own: Aliases): string {
  const end = text.indexOf('.')
  const first = end === -1 ? text : text.slice(0, end)
  if (isContext(first)) return text
  const target = lookUp(first, own)
  if (target !== undefined) return target + text.slice(first.length)
  // There is no context to read either, so this throws.
  return parseContext(text, similarAliases(first, own))
}

/**
 * The node that an alias stands for.
 *
 * @throws Failure ALIAS_NOT_FOUND, with similar aliases
 */
export function readAlias(name: string, own: Aliases): string {
  const target = lookUp(name, own)
  if (target !== undefined) return target
  throw new Failure('ALIAS_NOT_FOUND', `Cannot find alias ${quote(name)}: nobody defined it`, {
    suggestion: 'Use one of your aliases or of the standard ones',
    available: similarAliases(name, own),
  })
}

function checkName(name: string): void {
  if (isContext(name)) {
    throw new Failure('ALIAS_SHADOW', `Cannot define alias ${quote(name)}: it is the name of a context`, {
      suggestion: `Take another name than ${CONTEXTS.join(', ')}`,
    })
  }
  const fault = identifierFault(name)
  if (fault === undefined) return
  throw new Failure('PATH_SYNTAX', `Cannot define alias ${quote(name)}: the name ${fault}`, {
    suggestion: suggestIdentifier(name) ?? 'Write a name such as garden',
  })
}

function lookUp(name: string, own: Aliases): string | undefined {
  if (Object.hasOwn(own, name)) return own[name]
  return Object.hasOwn(STANDARD_ALIASES, name) ? STANDARD_ALIASES[name] : undefined
}

function similarAliases(name: string, own: Aliases): string[] {
  return similarPaths(name, [...new Set([...Object.keys(own), ...Object.keys(STANDARD_ALIASES)])])
}
