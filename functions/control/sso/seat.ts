/** The seat that a person takes who comes in by a provider or by SCIM: the same as by an invitation. */
export { takeSeat } from '../invitations/accept.ts'
