/**
 * A rule of the linter: a cast that TypeScript cannot check says why it holds, in a comment that starts with `reason:`,
 * on its line or on the line before. Such casts are `as any`, `as never` and those by way of `unknown`.
 */
import type { Rule } from './rule.ts'

const UNCHECKED = new Set(['TSAnyKeyword', 'TSNeverKeyword'])

export const explainedCasts: Rule = {
  create({ sourceCode, report }) {
    const explained = new Set<number>()
    return {
      Program() {
        explained.clear()
        for (const { value, loc } of sourceCode.getAllComments()) {
          if (value.includes('reason:')) explained.add(loc.end.line).add(loc.end.line + 1)
        }
      },
      TSAsExpression(node) {
        const { typeAnnotation: type, expression, loc } = node
        const element = type.type === 'TSArrayType' ? type.elementType : type
        const byUnknown =
          expression.type === 'TSAsExpression' && expression.typeAnnotation.type === 'TSUnknownKeyword'
        if (!byUnknown && !UNCHECKED.has(element.type)) return
        if (explained.has(loc.end.line)) return
        report({ node, message: 'A cast that is not checked needs a comment with its `reason:`' })
      },
    }
  },
}
