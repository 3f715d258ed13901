export { seededRandom } from '../../src/lab/seeded-random.js';
