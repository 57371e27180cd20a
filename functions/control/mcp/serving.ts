/** What the handler of a message is given: the caller, and what it takes to act for the caller elsewhere. */
import type { Given } from '../../../shared/contract/call.ts'

export type Serving = Given<'postgres' | 'catalog' | 'functions' | 'jobs', 'caller'>
