import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';

/** The plain object from which a message is created; parts of one can be spread into another. */
export type Init<Desc extends DescMessage> = Exclude<MessageInitShape<Desc>, MessageShape<Desc>>;
