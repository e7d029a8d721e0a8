import fastify from './fastify.js';

export const { sessions } = fastify;
