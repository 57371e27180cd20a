/** The type of a rule of the linter; the package exports no name for it. */
import type { RuleTester } from 'oxlint/plugins-dev'

export type Rule = Parameters<RuleTester['run']>[1]
