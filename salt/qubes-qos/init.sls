# Makes dom0 what machine.toml says. Put this directory below /srv/user_salt, then in dom0:
#
#   sudo qubesctl --show-output state.apply qubes-qos
#
# It changes nothing on a machine that is as the file says.

{% if grains['id'] == 'dom0' %}

/etc/qubes-qos/machine.toml:
  file.managed:
    - source: salt://qubes-qos/machine.toml
    - makedirs: True
    - mode: '0644'

qubes-qos-machine:
  cmd.run:
    - name: qvm-qos apply /etc/qubes-qos/machine.toml
    - unless: qvm-qos diff /etc/qubes-qos/machine.toml
    - require:
      - file: /etc/qubes-qos/machine.toml

{% endif %}
