/* org_files.h - configurations with organisations, from memory: etc/f with the text, and beside it
 * etc/ca.pem with its key etc/ec.key, and etc/no.pem, which holds no PEM. */
#ifndef TEST_UNIT_GATE_ORG_FILES_H
#define TEST_UNIT_GATE_ORG_FILES_H

#include "gate/config.h"
#include "test/test.h"

enum err org_load(const char *text, struct config **ret, struct why *why);
struct config *org_load_well(const char *text);
/* With ERR_SYNTAX and these words. */
void org_check_refused(const char *text, const char *want);

#define HOST "hostname = \"mx.example.org\"\n"
/* What stands in an organisation stands on line 3. */
#define ORG(text) HOST "organisation \"o\" {\n" text "\n}"
#define IN(text) ORG("inbound \"c\" { " text " }")
#define OUT(text) ORG("outbound \"c\" { " text " }")
#define PARTNER "kind = partner, mode = enforce, "
#define OWN "kind = on-premises, mode = enforce, "
#define KEY_A "00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF"
#define KEY_A_LOWER "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

#endif
