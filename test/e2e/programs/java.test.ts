// Java: threads of its own and of the virtual machine's, compiled code, collected memory.
import { test } from 'uvu';
import { needs } from '../../support/skip.js';
import { answering, source, testProgram } from './programs.js';

testProgram('java', () => answering('java', needs('java'), '-Xmx256m', source('Service.java')));

test.run();
