// <port> <network>: tells one instance until its input ends.
const ciao = require('@homebridge/ciao');

const [port, network] = process.argv.slice(2);
// Of itself it uses those where it sees neighbours.
const responder = ciao.getResponder({ interface: 'eth0' });
const service = responder.createService({ name: 'By ciao', type: 'dawn', port: Number(port), txt: { v: '1', n: network, s: 'ws' } });
service.advertise();
process.stdin.resume();
process.stdin.on('end', () => responder.shutdown().then(() => process.exit(0)));
