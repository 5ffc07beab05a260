// find: prints what comes and goes, as lines of JSON. publish <port> <network>: tells one instance until its input ends.
const { Bonjour } = require('bonjour-service');

const [what, port, network] = process.argv.slice(2);
const bonjour = new Bonjour();
if (what === 'find') {
  const say = kind => service => console.log(JSON.stringify({ kind, name: service.name, port: service.port, host: service.host, addresses: service.addresses, txt: service.txt }));
  const browser = bonjour.find({ type: 'dawn' });
  browser.on('up', say('up'));
  browser.on('down', say('down'));
} else {
  bonjour.publish({ name: 'By bonjour-service', type: 'dawn', port: Number(port), txt: { v: '1', n: network, s: 'ws' } });
}

process.stdin.resume();
process.stdin.on('end', () => bonjour.unpublishAll(() => setTimeout(() => process.exit(0), 200)));
