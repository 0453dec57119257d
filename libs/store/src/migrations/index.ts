import { Initial1763600000000 } from './0001-initial.js';

/** All migrations, oldest first; a new one is one file and one line here. */
export const migrations = [Initial1763600000000];
