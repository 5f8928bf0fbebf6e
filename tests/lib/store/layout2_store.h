// tests/lib/store/layout2_store.h
// A reports store as the program of layout 2 wrote it, key by key; and what had been done to it.

#ifndef DMARCATE_TESTS_LIB_STORE_LAYOUT2_STORE_H_
#define DMARCATE_TESTS_LIB_STORE_LAYOUT2_STORE_H_

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

#include "lib/base/status_macros.h"
#include "lib/store/report_store.h"
#include "tests/lib/store/store_testing.h"

namespace dmarcate {

// Receipts: 1 with rows that expire, 2 with bytes that do, 3 by SMTP with a report and what is
// none, 4 the same bytes, 5 a revision, 6 TLS, 7 failure, 8 still to be read.
inline absl::Status FillStore(ReportWriter& writer) {
  const auto accept = [&writer](std::string raw, int days,
                                std::optional<Envelope> envelope = std::nullopt) {
    CommitBatch batch;
    batch.accepted.push_back(Accept(std::move(raw)));
    Receipt& receipt = batch.accepted[0].receipt;
    receipt.received_time = StartOfDay(kTestDay + days) + absl::Microseconds(7);
    if (envelope) receipt.channel = Channel::kSmtp;
    receipt.envelope = std::move(envelope);
    return writer.Commit(std::move(batch), Sync::kNo).status();
  };
  const auto process = [&writer](CommitBatch::Processed processed,
                                 const std::vector<std::string>& file_names) {
    for (size_t i = 0; i < file_names.size(); ++i) {
      processed.items[i].item.file_name = file_names[i];
    }
    CommitBatch batch;
    batch.processed.push_back(std::move(processed));
    return writer.Commit(std::move(batch), Sync::kNo).status();
  };
  const auto report = [](DayNumber day, const char* id, const char* document,
                         const std::vector<uint64_t>& counts) {
    return MakeReport("example.com", day, id, document, counts);
  };
  DMARCATE_RETURN_IF_ERROR(accept("first", 0));
  DMARCATE_RETURN_IF_ERROR(
      process(Process(1, {report(kTestDay - 2, "1", "1", {1, 2})}), {"a.xml"}));
  DMARCATE_RETURN_IF_ERROR(accept("second", 4));
  DMARCATE_RETURN_IF_ERROR(process(Process(2, {report(kTestDay - 1, "2", "2", {3})}),
                                   {"google.com!example.com!1727913600!1727999999.xml.gz"}));
  DMARCATE_RETURN_IF_ERROR(
      accept("third", 8, Envelope{IpAddress::FromV4(0xc0000207), "mx.test", "r@test", {"d@test"}}));
  CommitBatch::Processed third = Process(3, {report(kTestDay, "3", "3", {4})});
  third.items.push_back(std::move(ProcessUnreadable(3, Outcome::kQuarantined, "xml").items[0]));
  DMARCATE_RETURN_IF_ERROR(process(
      std::move(third), {"google.com!example.com!1728000000!1728086399!id.xml", "b!c!1!2.zip"}));
  DMARCATE_RETURN_IF_ERROR(accept("third", 9));
  DMARCATE_RETURN_IF_ERROR(process(Process(4, {report(kTestDay, "3", "3", {4})}), {"c.xml"}));
  DMARCATE_RETURN_IF_ERROR(accept("fifth", 10));
  DMARCATE_RETURN_IF_ERROR(process(Process(5, {report(kTestDay, "3", "3b", {4, 5})}), {}));
  DMARCATE_RETURN_IF_ERROR(accept("sixth", 11));
  DMARCATE_RETURN_IF_ERROR(
      process(ProcessTls(6, {MakeTlsReport("example.com", kTestDay, "t", "t", 7, 8)}), {}));
  DMARCATE_RETURN_IF_ERROR(accept("seventh", 12));
  DMARCATE_RETURN_IF_ERROR(
      process(ProcessFailure(7, MakeFailureReport("example.com", kTestDay, "f")), {}));
  ExpiryCutoffs cutoffs;
  cutoffs.rows = StartOfDay(kTestDay + 2);
  cutoffs.raw = StartOfDay(kTestDay + 6);
  DMARCATE_RETURN_IF_ERROR(writer.Expire(cutoffs, 100).status());
  return accept("eighth", 13);
}

struct StoredValue {
  int family;
  std::string_view key, value;  // in hexadecimal digits
};
inline constexpr StoredValue kLayout2Store[] = {
    {0, "43b1e99324505bd32da0e10000000000000004", ""},
    {0, "4816367aacb67a4a017c8d", "0102da0352e3"},
    {0, "481774b8eebdec58c5f119", "010598f009f6"},
    {0, "48ad8085924cb7719367c1", "0108d4a711d1"},
    {0, "48b1e99324505bd32da0e1", "0103b231638c"},
    {0, "48effaa68d28df27c55812", "01065410f892"},
    {0, "48f0412d6deb4211f732c5", "0107a87e6823"},
    {0, "4d657870697265642d726177", "0102ca78fcb6"},
    {0, "4d657870697265642d726f7773", "01017cb4c470"},
    {0, "4d666f726d6174", "0102b1db5c72"},
    {0, "4d72656365697074", "01085e65cf90"},
    {0, "500000000000000008", ""},
    {0, "520000000000000002",
     "0119068e80cc98fafa91060d7265706f72742e786d6c2e677a00000100096167677265676174650b6578616d"
     "706c652e636f6d019f9c010000000033676f6f676c652e636f6d216578616d706c652e636f6d213137323739"
     "313336303021313732373939393939392e786d6c2e677a0200002016367aacb67a4a017c8da8ab95682ccb39"
     "0863780f7114dda0a0e0c55644c7c4b496d10f"},
    {0, "520000000000000003",
     "0143058e80b88e898f92060d7265706f72742e786d6c2e677a1a5265706f727420446f6d61696e3a20657861"
     "6d706c652e636f6d0a676f6f676c652e636f6d00000000000000000000ffffc0000207076d782e7465737406"
     "72407465737401066440746573740200096167677265676174650b6578616d706c652e636f6d01a09c010000"
     "000033676f6f676c652e636f6d216578616d706c652e636f6d21313732383030303030302131373238303836"
     "3339392169642e786d6c020000030000000003786d6c000b622163213121322e7a697000000020b1e9932450"
     "5bd32da0e1f85dcf5e19a09db0481e8a15f62c41eb320304a8e9270f60bc23"},
    {0, "520000000000000004",
     "0111058e80f3eb8c9492060d7265706f72742e786d6c2e677a00000106096167677265676174650b6578616d"
     "706c652e636f6d01a09c010200000005632e786d6c02000020b1e99324505bd32da0e1f85dcf5e19a09db048"
     "1e8a15f62c41eb320304a8e9273c01efc8"},
    {0, "520000000000000005",
     "0111058e80aec9909992060d7265706f72742e786d6c2e677a00000100096167677265676174650b6578616d"
     "706c652e636f6d01a09c010000000000040000201774b8eebdec58c5f11998669e983f81e3d2c1d1a6364911"
     "3096ddef143a7c2b586207fc"},
    {0, "520000000000000006",
     "0111058e80e9a6949e92060d7265706f72742e786d6c2e677a0000010003746c730b6578616d706c652e636f"
     "6d01a09c01000000000000000020effaa68d28df27c5581213f68e226b03fc406eb04e42013126194a1c06d3"
     "79eadf6c9ef2"},
    {0, "520000000000000007",
     "0111078e80a48498a392060d7265706f72742e786d6c2e677a00000100076661696c7572650b6578616d706c"
     "652e636f6d01a09c01000000000000000020f0412d6deb4211f732c552943f41b41ace2328886681959a394b"
     "59c15a14ce750d601773"},
    {0, "520000000000000008",
     "0110068e80dfe19ba892060d7265706f72742e786d6c2e677a00000020ad8085924cb7719367c12e87e86861"
     "02982d9ddc23b749b3ccff6ad19957642e9af4bbb7"},
    {0, "550000000000000003", ""},
    {0, "586578616d706c652e636f6d0080004e1e", "0101020303030000030000000046425113"},
    {0, "ff636f6d6d6974", "0111e1cc911d"},
    {1, "644e07408562bedb8b60ce", "010b6578616d706c652e636f6da09c010300050b97e9"},
    {1, "64537b597bd5e3934038c5", "010b6578616d706c652e636f6da09c01050088a97dc5"},
    {1, "646b86b273ff34fce19d6b", "010b6578616d706c652e636f6d9e9c0101003370ca85"},
    {1, "64d4735e3a265e16eee03f", "010b6578616d706c652e636f6d9f9c01020095338429"},
    {1, "656a378653ddb43aad0498", "010b6578616d706c652e636f6d9e9c01010059108d26"},
    {1, "66252f10c83610ebca1a05", "010b6578616d706c652e636f6da09c010700a923b3ee"},
    {1, "6952bdf1060c4a9b2c5e3e", "0102000301b88d8fef"},
    {1, "69b5dc52d489ee7f82723d", "010300030105000302bbdb780b"},
    {1, "74e3b98a4da31a127d4bde", "010b6578616d706c652e636f6da09c010600a463f69f"},
    {1, "76c73961f133d9056080f0", "0106000301fe2a49b5"},
    {1, "ff636f6d6d6974", "0111e1cc911d"},
    {2, "6578616d706c652e636f6d0080004e1f00000000000000020000",
     "0101130001030080faeeef0cfec50a0c02000040000a676f6f676c652e636f6d0a676f6f676c652e636f6d00"
     "0000000000013220d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab3500000149"
     "0100000000000300c0000201e70cc8e7"},
    {2, "6578616d706c652e636f6d0080004e2000000000000000030000",
     "0100130001040080c0f9ef0cfec50a0c02000040000a676f6f676c652e636f6d0a676f6f676c652e636f6d00"
     "00000000000133204e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce00000149"
     "0100000000000400c000020103d4a270"},
    {2, "6578616d706c652e636f6d0080004e2000000000000000050000",
     "0101130002090080c0f9ef0cfec50a0c02000040000a676f6f676c652e636f6d0a676f6f676c652e636f6d00"
     "0000000000013320537b597bd5e3934038c56c0320e4ff7a801b985f521d356119a0d923e52e875800000149"
     "010000000000040500c0000201c00002014c69a04f"},
    {2, "ff636f6d6d6974", "0111e1cc911d"},
    {3, "6578616d706c652e636f6d0080004e1e", "01010203030300000300000000dfadac3f"},
    {3, "6578616d706c652e636f6d0080004e1f", "010101030303000003000000002b96d5d7"},
    {3, "6578616d706c652e636f6d0080004e20", "010102090909000009000000008900b67a"},
    {3, "ff636f6d6d6974", "0111e1cc911d"},
    {4, "0000000000000003", "7468697264"},
    {4, "0000000000000005", "6669667468"},
    {4, "0000000000000006", "7369787468"},
    {4, "0000000000000007", "736576656e7468"},
    {4, "0000000000000008", "656967687468"},
    {5, "6578616d706c652e636f6d0080004e2000000000000000060000",
     "0101138a8684f00c80c0f9ef0cfe8584f00c0a676f6f676c652e636f6d0b476f6f676c6520496e632e000174"
     "20e3b98a4da31a127d4bde6e43033f66ba274cab0eb7eb1c70ec41402bf6273dd80001037374730100000708"
     "000b45aa81"},
    {5, "ff636f6d6d6974", "0111e1cc911d"},
    {6, "6578616d706c652e636f6d0080004e2000000000000000070000",
     "0101138ac0f9ef0c20252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111010302"
     "05646d61726304646b696d0c617574682d6661696c757265074c75612f312e300131093139322e302e322e31"
     "0a323032342d31302d30340672656a656374046e6f6e6506642e7465737402733103747874066d2e74657374"
     "06662e74657374136d782e746573743b20646d6172633d6661696c0c3c722d3040662e746573743e007e2288"
     "25"},
    {6, "ff636f6d6d6974", "0111e1cc911d"},
};

}  // namespace dmarcate

#endif  // DMARCATE_TESTS_LIB_STORE_LAYOUT2_STORE_H_
