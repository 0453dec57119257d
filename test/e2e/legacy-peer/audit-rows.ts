import { eventually, patienceMs } from '../../demo/story.js';
import type { Lab, LabCluster } from '../../lab/index.js';

/** What the door wrote into the cluster's PostgreSQL, over the address that the lab describes, as soon as this peer was answered. */
export function auditRows(lab: Lab, { name, databaseURL }: LabCluster, answered: string): Promise<readonly object[]> {
  const program = `const { Client } = require('pg');
    const client = new Client({ connectionString: process.argv[1] });
    client.connect()
      .then(() => client.query('SELECT DISTINCT peer, action, status FROM audit'))
      .then(({ rows }) => { console.log(JSON.stringify(rows)); return client.end(); })`;
  return eventually(
    'rows of the audit',
    patienceMs,
    async () => {
      const { stdout, stderr } = await lab.runIn(name, [process.execPath, '-e', program, databaseURL]);
      if (stdout === '') throw new Error(stderr.slice(-300));
      const rows = JSON.parse(stdout) as readonly { readonly peer: string | null; readonly status: number }[];
      return rows.some(({ peer, status }) => peer === answered && status === 200) ? rows : undefined;
    },
    500,
  );
}
