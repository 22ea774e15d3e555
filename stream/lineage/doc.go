// Package lineage writes and reads where messages came from and went: the
// header on every output record (contract 17) and the frame on the lineage
// topic for every input partition of a transaction (contract 18).
//
//	key, err := lineage.NewKey(ring, name, recipient, keys.AES256, 0)
//	hdr, err = key.Append(hdr[:0], epoch, lineage.Source{Topic: 7, Partition: 3, Offset: 41})
//
//	b := lineage.NewBuilder(epoch, recipients)
//	err = b.Add(7, 3, 41, fates)
//	b.Frames(func(topic uint32, partition int32, key, value []byte) { … })
//	b.Reset()
//
// Neither header nor frame holds anything of a record's content.
package lineage
