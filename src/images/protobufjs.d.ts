/** The bundle that protobufjs ships without types. */
declare module 'protobufjs/dist/minimal/protobuf.min.js' {
  import protobuf from 'protobufjs/minimal.js';
  export default protobuf;
}
