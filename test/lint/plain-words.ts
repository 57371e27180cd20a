/**
 * A rule of the linter: comments and texts use the standard terms of the field, so that no reader has to translate.
 * It knows the words that were replaced; names of paths, of fields and of events are no prose and stay.
 */
import type { Rule } from './rule.ts'

const INSTEAD: readonly [words: RegExp, instead: string][] = [
  [/\b(un)?told\b|\btells?\b|\btelling\b/i, 'delivered, reported, returned or notified'],
  [/\b(is|are|was|were|be|been|being|stays?) away\b/i, 'unavailable'],
  [/\b(a|an|the|this|that|each|every|one|only) looks?\b(?! up)/i, 'a read-only call'],
  [/\b(askers?|who(ever)? asks|who asked)\b/i, 'caller or requester'],
  [/\bwish(es|ed)?\b/i, 'preference'],
  [
    /\b(takes?|taking|took|leaves?|leaving|left) (a|an|the|its|their|no|one) places?\b/i,
    'acquire or release a slot',
  ],
  [/\bcells?\b/i, 'counter or gauge'],
  [/\blanes?\b/i, 'consumer loop'],
  [/\bbur(y|ies|ied)\b/i, 'dead-letter'],
  [/\bhappenings?\b/i, 'outcome or record'],
  [/\bbugs? fail(s|ed)?\b/i, 'unhandled error'],
  [/(^|[.:;,(] )(say|name) (a|an|the|what|which|who|one)\b/i, '"X is required"'],
  [/\bleft out\b/i, 'default'],
]

export const plainWords: Rule = {
  create({ sourceCode, report }) {
    const check = (node: { range: [number, number] }, text: string) => {
      for (const [words, instead] of INSTEAD) {
        const found = words.exec(text)
        if (found !== null) report({ node, message: `Instead of "${found[0].trim()}": ${instead}` })
      }
    }
    return {
      Program() {
        for (const comment of sourceCode.getAllComments()) check(comment, comment.value)
      },
      Literal(node) {
        if (typeof node.value === 'string') check(node, node.value)
      },
      TemplateElement(node) {
        check(node, node.value.raw)
      },
    }
  },
}
