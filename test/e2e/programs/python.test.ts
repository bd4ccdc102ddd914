// Python: a pool of threads with an event loop and a child; a tree of forked workers.
import { test } from 'uvu';
import { answering, source, testProgram } from './programs.js';

// -B: no compiled modules beside the tests' sources.
const python = (file: string) => () => answering(file, '/usr/bin/python3', '-B', source(file));

testProgram('python3', python('python.py'), { versions: ['4.2.1', '4.1.1'] });
testProgram('forked workers', python('prefork.py'));

test.run();
