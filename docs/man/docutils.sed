# Turns a manual page of docs/man, which is in the dialect of the qvm-* tools (Sphinx), into what rst2man alone reads.
# The Makefile puts the section in for @SECTION@.

# The title and what the page is about; roles that only Sphinx has.
/^:program:`[^`]*` -- /{
N
s/^:program:`\([^`]*\)` -- \([^\n]*\)\n=*$/====================\n\1\n====================\n\n------------------------------------------------------------------------------\n\2\n------------------------------------------------------------------------------\n\n:Manual section: @SECTION@\n:Manual group: Qubes QoS\n\n.. role:: program(strong)\n.. role:: command(strong)\n.. role:: option(strong)\n.. role:: manpage(emphasis)/
}
/^\.\. program::/d

# An option and its text become a term and its definition: no blank line between the two.
/^\.\. option:: /{
s/^\.\. option:: \(.*\)$/**\1**/
N
s/\n$//
}
