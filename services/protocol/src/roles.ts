import { z } from 'zod';

/** Roles of people. Clients, combiners and reducers have identities of their own. */
export const roles = ['viewer', 'engineer', 'admin'] as const;
export const roleSchema = z.enum(roles);
export type Role = z.infer<typeof roleSchema>;

/** True when `role` may do what needs `needed`: admin > engineer > viewer. */
export function allows(role: Role, needed: Role): boolean {
  return roles.indexOf(role) >= roles.indexOf(needed);
}
