// Runs before each test file that runs commands; what these files share stays (vitest.config.ts).
import { afterAll } from 'vitest';
import { endOfFile, makeScratch } from './cli.js';

makeScratch();
afterAll(endOfFile);
