// lib/imap/words.h
// The words that go into commands. Nothing else does: so no name, whoever chose it, can end a
// command and begin another. Pure.

#ifndef DMARCATE_LIB_IMAP_WORDS_H_
#define DMARCATE_LIB_IMAP_WORDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dmarcate {

// A folder's name in UTF-8 as a quoted string in modified UTF-7 (RFC 3501 sections 5.1.3 and 9):
// "Entwürfe" becomes "\"Entw&APw-rfe\"". kInvalidArgument: empty, longer than 1,000 bytes, not
// UTF-8, or with control characters.
absl::StatusOr<std::string> QuotedFolder(std::string_view utf8);
// A system flag that marks (\Seen, \Flagged, \Answered) or a keyword of letters, digits, '$', '-',
// '_' and '.', at most 64. Not \Deleted: this is how mail gets lost.
bool IsImapFlag(std::string_view flag);
// "1:3,7" of {7, 1, 3, 2}. Zeros are left out.
std::string UidSet(std::vector<uint32_t> uids);

}  // namespace dmarcate

#endif  // DMARCATE_LIB_IMAP_WORDS_H_
