// What was mended is well-formed, stays as it is when mended again, and holds no known element
// deeper than the limit.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include <pugixml.hpp>

#include "lib/report/aggregate_reader.h"
#include "lib/report/mender.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dmarcate::RepairLog log(10);
  const std::string once = dmarcate::MendPiece(text, log);
  const std::string framed = "<feedback>" + once + "</feedback>";
  pugi::xml_document tree;
  if (!tree.load_buffer(framed.data(), framed.size(), dmarcate::kReaderParseFlags,
                        pugi::encoding_utf8)) {
    std::abort();
  }
  dmarcate::RepairLog none(10);
  if (dmarcate::MendPiece(once, none) != once || none.material()) std::abort();
  return 0;
}
