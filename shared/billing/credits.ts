/** Credits, as billing uses them: one is a cent. */
export { grantCredits, refundCredits, spendCredits } from './ledger/ledger.ts'
