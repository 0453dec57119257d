// The demo's client: a pod that stays, in which calls are made by `exec`. It knows nothing of meshes.
process.on('SIGTERM', () => process.exit(0));
process.on('SIGINT', () => process.exit(0));
process.stdout.write('client is ready: call-http, call-grpc, call-tcp\n');
setInterval(() => undefined, 1 << 30);
