/* kept.h - the words under which a kept key goes through PEM files and the library. */
#ifndef KEEPER_KEPT_H
#define KEEPER_KEPT_H

#define KEPT_KEY_LABEL "POSTERN KEPT KEY" /* PEM; a SubjectPublicKeyInfo */
#define KEPT_KEY_PROVIDER "postern-keeper"
#define KEPT_KEY_PARAM "postern-kept-key"

#endif
