// ingestd/imap_config.h
// The [[imap]] tables of ingestd's configuration.

#ifndef DMARCATE_INGESTD_IMAP_CONFIG_H_
#define DMARCATE_INGESTD_IMAP_CONFIG_H_

#include <vector>

#include "ingestd/intake/imap/account.h"
#include "lib/base/toml_config.h"

namespace dmarcate {

// What is wrong is remembered in `file` and reported by its Finish().
std::vector<ImapAccount> ReadImapAccounts(TomlConfig& file);

}  // namespace dmarcate

#endif  // DMARCATE_INGESTD_IMAP_CONFIG_H_
